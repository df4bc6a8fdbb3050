"""Operations that give a row for each row: maps, stencils, scans."""
