//! The Unicode properties of `\p{…}`, by the names that ECMA-262 has for them: case counts, and a script is named as one.

use super::set::Set;

/// Values of General_Category, each by its long name or names and its short one.
const CATEGORIES: [(&str, &str); 38] = [
    ("Cased_Letter", "LC"),
    ("Close_Punctuation", "Pe"),
    ("Connector_Punctuation", "Pc"),
    ("Control", "Cc"),
    ("Currency_Symbol", "Sc"),
    ("Dash_Punctuation", "Pd"),
    ("Decimal_Number", "Nd"),
    ("Enclosing_Mark", "Me"),
    ("Final_Punctuation", "Pf"),
    ("Format", "Cf"),
    ("Initial_Punctuation", "Pi"),
    ("Letter", "L"),
    ("Letter_Number", "Nl"),
    ("Line_Separator", "Zl"),
    ("Lowercase_Letter", "Ll"),
    ("Mark", "M"),
    ("Math_Symbol", "Sm"),
    ("Modifier_Letter", "Lm"),
    ("Modifier_Symbol", "Sk"),
    ("Nonspacing_Mark", "Mn"),
    ("Number", "N"),
    ("Open_Punctuation", "Ps"),
    ("Other", "C"),
    ("Other_Letter", "Lo"),
    ("Other_Number", "No"),
    ("Other_Punctuation", "Po"),
    ("Other_Symbol", "So"),
    ("Paragraph_Separator", "Zp"),
    ("Private_Use", "Co"),
    ("Punctuation", "P"),
    ("Separator", "Z"),
    ("Space_Separator", "Zs"),
    ("Spacing_Mark", "Mc"),
    ("Surrogate", "Cs"),
    ("Symbol", "S"),
    ("Titlecase_Letter", "Lt"),
    ("Unassigned", "Cn"),
    ("Uppercase_Letter", "Lu"),
];
/// Further names of some of them.
const CATEGORY_ALIASES: [(&str, &str); 4] =
    [("Combining_Mark", "M"), ("cntrl", "Cc"), ("digit", "Nd"), ("punct", "P")];

/// Binary properties by their long name and the short one.
const BINARY: [(&str, &str); 53] = [
    ("ASCII", "ASCII"),
    ("ASCII_Hex_Digit", "AHex"),
    ("Alphabetic", "Alpha"),
    ("Any", "Any"),
    ("Assigned", "Assigned"),
    ("Bidi_Control", "Bidi_C"),
    ("Bidi_Mirrored", "Bidi_M"),
    ("Case_Ignorable", "CI"),
    ("Cased", "Cased"),
    ("Changes_When_Casefolded", "CWCF"),
    ("Changes_When_Casemapped", "CWCM"),
    ("Changes_When_Lowercased", "CWL"),
    ("Changes_When_NFKC_Casefolded", "CWKCF"),
    ("Changes_When_Titlecased", "CWT"),
    ("Changes_When_Uppercased", "CWU"),
    ("Dash", "Dash"),
    ("Default_Ignorable_Code_Point", "DI"),
    ("Deprecated", "Dep"),
    ("Diacritic", "Dia"),
    ("Emoji", "Emoji"),
    ("Emoji_Component", "EComp"),
    ("Emoji_Modifier", "EMod"),
    ("Emoji_Modifier_Base", "EBase"),
    ("Emoji_Presentation", "EPres"),
    ("Extended_Pictographic", "ExtPict"),
    ("Extender", "Ext"),
    ("Grapheme_Base", "Gr_Base"),
    ("Grapheme_Extend", "Gr_Ext"),
    ("Hex_Digit", "Hex"),
    ("IDS_Binary_Operator", "IDSB"),
    ("IDS_Trinary_Operator", "IDST"),
    ("ID_Continue", "IDC"),
    ("ID_Start", "IDS"),
    ("Ideographic", "Ideo"),
    ("Join_Control", "Join_C"),
    ("Logical_Order_Exception", "LOE"),
    ("Lowercase", "Lower"),
    ("Math", "Math"),
    ("Noncharacter_Code_Point", "NChar"),
    ("Pattern_Syntax", "Pat_Syn"),
    ("Pattern_White_Space", "Pat_WS"),
    ("Quotation_Mark", "QMark"),
    ("Radical", "Radical"),
    ("Regional_Indicator", "RI"),
    ("Sentence_Terminal", "STerm"),
    ("Soft_Dotted", "SD"),
    ("Terminal_Punctuation", "Term"),
    ("Unified_Ideograph", "UIdeo"),
    ("Uppercase", "Upper"),
    ("Variation_Selector", "VS"),
    ("White_Space", "space"),
    ("XID_Continue", "XIDC"),
    ("XID_Start", "XIDS"),
];

/// The set of a property, if there is one of this name that the engine knows.
pub(super) fn set(text: &str, negated: bool) -> Option<Set> {
    let name = match text.split_once('=') {
        None => category(text).map(ToOwned::to_owned).or_else(|| {
            BINARY
                .iter()
                .find(|(long, short)| text == *long || text == *short)
                .map(|(long, _)| (*long).to_owned())
        })?,
        Some(("General_Category" | "gc", value)) => category(value)?.to_owned(),
        Some(("Script" | "sc", value)) => format!("sc={}", script(value)?),
        Some(("Script_Extensions" | "scx", value)) => format!("scx={}", script(value)?),
        Some(_) => return None,
    };
    // No text has a surrogate.
    if name == "Cs" {
        return Some(if negated { Set::all() } else { Set::default() });
    }
    let name = format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' });
    regex_syntax::parse(&name).is_ok().then(|| Set::named(name))
}

fn category(name: &str) -> Option<&'static str> {
    let all = CATEGORIES.iter().chain(&CATEGORY_ALIASES);
    all.clone().find(|(long, short)| name == *long || (name == *short)).map(|(_, short)| *short)
}

/// A name of a script as it is written; the engine would take it in any case.
fn script(name: &str) -> Option<&str> {
    let mut chars = name.chars();
    let is_written_so = chars.next().is_some_and(|c| c.is_ascii_uppercase())
        && chars.clone().all(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.any(|c| c.is_ascii_lowercase());
    is_written_so.then_some(name)
}
