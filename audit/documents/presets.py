"""presets.json, schema assay/presets/1, and the `presets` of evidence.json: the forms that are asked for."""

from __future__ import annotations

from msgspec import field

from audit.documents.base import Names, Record


class FormAsked(Record, frozen=True):
    """One form. text: of an own one, or as it stood when a report was issued; None where the form ships."""

    name: str
    text: str | None = None
    answers: dict[str, str] = field(default_factory=dict)


class FormsAsked(Record, frozen=True):
    """presets.json, and forms.json of a run folder."""

    presets: tuple[FormAsked, ...]
    schema: str = ""


class DataOfForms(Record, frozen=True):
    sensitive: Names = ()


class FormsOfEvidence(Record, frozen=True):
    """Of evidence.json, what forms are made of: which are asked for, and the columns that an answer may name."""

    presets: tuple[FormAsked, ...] = ()
    data: DataOfForms = DataOfForms()
