"""The kinds of object that a report is made of: for each its keys, and for each key what may stand there.

A rule is a name (`/Page`), a kind (`page`), a list (`[page]`), a map from any key (`{font}`), or one of the words
int, zero, number, bool, text, name, null; `|` stands between alternatives. `!` marks a key that has to be there. A
kind that begins with `stream:` is a stream.
"""

from __future__ import annotations

from collections.abc import Mapping

Kind = Mapping[str, str]
PACKED = {"/Length": "int", "/Filter": "/FlateDecode"}
KINDS: Mapping[str, Kind] = {
    "trailer": {
        "/Root": "catalog!", "/Info": "info!", "/Size": "int", "/Prev": "int", "/ID": "[text]",
        "/Type": "/XRef", "/W": "[int]", "/Index": "[int]", "/Length": "int", "/Filter": "/FlateDecode",
        "/DecodeParms": "predictor",
    },
    "predictor": {"/Columns": "int", "/Predictor": "int"},
    "info": {
        "/Title": "text", "/Author": "text", "/Creator": "text", "/Producer": "text", "/CreationDate": "text",
        "/ModDate": "text",
    },
    "catalog": {
        "/Type": "/Catalog!", "/Pages": "pages!", "/Lang": "text", "/MarkInfo": "marked", "/Metadata": "stream:xmp",
        "/Names": "names", "/Outlines": "outlines", "/OutputIntents": "[intent]", "/StructTreeRoot": "tree",
        "/ViewerPreferences": "viewer", "/AF": "[filespec]", "/AcroForm": "form", "/Perms": "permissions",
        "/Extensions": "extensions", "/DSS": "dss",
    },
    "marked": {"/Marked": "bool"},
    "viewer": {"/DisplayDocTitle": "bool"},
    "stream:xmp": {"/Length": "int", "/Type": "/Metadata!", "/Subtype": "/XML"},
    "names": {"/Dests": "dests", "/EmbeddedFiles": "embedded"},
    "dests": {"/Names": "[text|dest]"},
    "embedded": {"/Names": "[text|filespec]"},
    "intent": {
        "/Type": "/OutputIntent!", "/S": "/GTS_PDFA1", "/Info": "text", "/OutputConditionIdentifier": "text",
        "/DestOutputProfile": "stream:profile",
    },
    "stream:profile": {**PACKED, "/N": "int", "/Alternate": "/DeviceRGB"},
    # pages and what they draw
    "pages": {"/Type": "/Pages!", "/Kids": "[page]", "/Count": "int"},
    "page": {
        "/Type": "/Page!", "/Parent": "pages", "/MediaBox": "[number]", "/BleedBox": "[number]", "/TrimBox": "[number]",
        "/Contents": "stream:drawing", "/Resources": "resources", "/Annots": "[link|widget]", "/StructParents": "int",
        "/Tabs": "/S",
    },
    "stream:drawing": PACKED,
    "resources": {
        "/Font": "{font}", "/XObject": "{stream:drawn}", "/ExtGState": "{state}", "/ColorSpace": "{space}",
        "/Pattern": "{stream:hatch}", "/Shading": "empty",
    },
    "stream:hatch": {  # of what is withheld in a chart
        **PACKED, "/Type": "/Pattern!", "/PatternType": "int!", "/PaintType": "int", "/TilingType": "int",
        "/BBox": "[number]", "/XStep": "number", "/YStep": "number", "/Matrix": "[number]", "/Resources": "resources",
    },
    "empty": {},
    "state": {"/Type": "/ExtGState", "/ca": "number", "/CA": "number"},
    "stream:drawn": {
        **PACKED, "/Type": "/XObject!", "/Subtype": "/Form!", "/BBox": "[number]", "/Resources": "resources",
        "/Group": "group",
    },
    "group": {"/Type": "/Group", "/S": "/Transparency", "/I": "bool", "/CS": "space|/DeviceRGB|/srgb"},
    "space": {},  # an array: see _space
    "lab": {"/WhitePoint": "[number]", "/Range": "[number]"},
    "font": {
        "/Type": "/Font!", "/Subtype": "/Type0!", "/BaseFont": "name", "/Encoding": "/Identity-H",
        "/DescendantFonts": "[cidfont]", "/ToUnicode": "stream:drawing",
    },
    "cidfont": {
        "/Type": "/Font!", "/Subtype": "/CIDFontType2|/CIDFontType0!", "/BaseFont": "name", "/W": "[number|[number]]",
        "/CIDToGIDMap": "/Identity", "/CIDSystemInfo": "system", "/FontDescriptor": "descriptor",
    },
    "system": {"/Registry": "text", "/Ordering": "text", "/Supplement": "int"},
    "descriptor": {
        "/Type": "/FontDescriptor!", "/FontName": "name", "/FontFamily": "text", "/Flags": "int",
        "/FontBBox": "[number]", "/ItalicAngle": "number", "/Ascent": "number", "/Descent": "number",
        "/CapHeight": "number", "/StemV": "number", "/StemH": "number", "/FontFile2": "stream:program",
        "/FontFile3": "stream:program", "/CIDSet": "stream:drawing",
    },
    "stream:program": {**PACKED, "/Length1": "int", "/Subtype": "/OpenType|/CIDFontType0C"},
    # what is tagged, listed, embedded
    "link": {
        "/Type": "/Annot!", "/Subtype": "/Link!", "/Rect": "[number]", "/BS": "border!", "/Dest": "text|dest",
        "/F": "int", "/Contents": "text", "/StructParent": "int",
    },
    "border": {"/W": "zero!"},  # without it a viewer draws one; PDFium, which looks at pages here, draws none
    "dest": {},  # an array: see _dest
    "outlines": {"/First": "bookmark", "/Last": "bookmark", "/Count": "int"},
    "bookmark": {
        "/Title": "text!", "/Dest": "dest!", "/Parent": "bookmark|outlines", "/Prev": "bookmark", "/Next": "bookmark",
        "/First": "bookmark", "/Last": "bookmark", "/Count": "int",
    },
    "tree": {
        "/Type": "/StructTreeRoot!", "/K": "[element]|element", "/ParentTree": "parents", "/ParentTreeNextKey": "int",
    },
    "parents": {"/Nums": "[int|element|[element]|null]"},
    "element": {
        "/Type": "/StructElem!", "/S": "name", "/P": "element|tree", "/Pg": "page",
        "/K": "int|element|reference|[int|element|reference]", "/A": "attributes|[attributes]", "/Alt": "text",
        "/ActualText": "text", "/ID": "text", "/Lang": "text", "/T": "text",
    },
    "attributes": {
        "/O": "/Layout|/Table|/List", "/Scope": "/Column|/Row", "/Headers": "[text]", "/BBox": "[number]",
        "/ListNumbering": "name", "/RowSpan": "int", "/ColSpan": "int", "/Placement": "name",
    },
    "reference": {"/Type": "/OBJR!", "/Obj": "link|widget", "/Pg": "page"},
    "filespec": {
        "/Type": "/Filespec!", "/F": "text", "/UF": "text", "/Desc": "text", "/AFRelationship": "/Data",
        "/EF": "embeddings",
    },
    "embeddings": {"/F": "stream:file"},
    "stream:file": {**PACKED, "/Type": "/EmbeddedFile!", "/Subtype": "name", "/Params": "parameters"},
    "parameters": {"/Size": "int", "/CheckSum": "text", "/CreationDate": "text", "/ModDate": "text"},
    # signatures
    "form": {"/Fields": "[widget]", "/SigFlags": "int"},
    "widget": {
        "/Type": "/Annot!", "/Subtype": "/Widget!", "/FT": "/Sig!", "/T": "text!", "/TU": "text", "/Contents": "text",
        "/F": "int", "/Rect": "[number]", "/P": "page", "/StructParent": "int", "/AP": "face", "/V": "signature",
    },
    "face": {"/N": "stream:drawn!"},
    "permissions": {"/DocMDP": "signature!"},
    "signature": {
        "/Type": "/Sig|/DocTimeStamp!", "/Filter": "/Adobe.PPKLite", "/SubFilter": "/ETSI.CAdES.detached|/ETSI.RFC3161",
        "/Contents": "text", "/ByteRange": "[int]", "/M": "text", "/Name": "text", "/Reason": "text",
        "/Reference": "[certifies]",
    },
    "certifies": {
        "/Type": "/SigRef!", "/TransformMethod": "/DocMDP", "/TransformParams": "allows", "/DigestMethod": "/SHA256",
    },
    "allows": {"/Type": "/TransformParams!", "/V": "/1.2", "/P": "int"},
    "extensions": {"/ESIC": "extension"},
    "extension": {"/Type": "/DeveloperExtensions!", "/BaseVersion": "/1.7", "/ExtensionLevel": "int"},
    "dss": {"/Certs": "[stream:der]", "/CRLs": "[stream:der]"},
    "stream:der": {"/Length": "int"},
}  # fmt: skip
