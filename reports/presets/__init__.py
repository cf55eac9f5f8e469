"""Forms of law and custom as data: NAME.toml beside this file, or a file of one's own. No statute is in the code.

    preset = read_preset(text, "own.toml")        # refused by the name of the field where it is wrong
    filled = fill(preset, answers, sources)       # every item here, lacking or stale; tables made of the counts

A form says what it asks of a person and what it takes from the evidence. What is filled in is printed with what is
lacking; nothing that a person must answer is inferred, and nothing says that a text is met. docs/presets.md.
"""

from reports.presets.embed import NAME as FILE
from reports.presets.embed import (
    answer_later,
    asked_of,
    check_case,
    check_forms,
    embedded_forms,
    forms_of,
    letter_forms,
    preset_bytes,
)
from reports.presets.fill import Filled, Item, fill, filled_forms
from reports.presets.read import read_preset, shipped, shipped_text
from reports.presets.records import Field, Preset

__all__ = [
    "FILE",
    "Field",
    "Filled",
    "Item",
    "Preset",
    "answer_later",
    "asked_of",
    "check_case",
    "check_forms",
    "embedded_forms",
    "fill",
    "filled_forms",
    "forms_of",
    "letter_forms",
    "preset_bytes",
    "read_preset",
    "shipped",
    "shipped_text",
]
