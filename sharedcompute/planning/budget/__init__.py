"""What a plan will take: memory, disk, time; and the blocks that follow from it."""
