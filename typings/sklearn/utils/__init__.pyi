from dataclasses import dataclass

@dataclass
class TargetTags:
    multi_output: bool

@dataclass
class TransformerTags:
    preserves_dtype: list[str]

@dataclass
class Tags:
    target_tags: TargetTags
    # None but for transformers, whose mixin sets it.
    transformer_tags: TransformerTags
