//! Sets of code points: what a class, an escape or a dot stands for.

/// A set of code points.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    /// Ranges, ends included. They may overlap, and may have surrogates in them.
    ranges: Vec<(u32, u32)>,
    /// Sets that the engine has by name, as `\p{…}` and `\P{…}`.
    properties: Vec<String>,
    negated: bool,
}

const LAST: u32 = 0x10_ffff;

impl Set {
    pub fn all() -> Self {
        Self::of(&[(0, LAST)])
    }

    /// All but the line terminators.
    pub fn dot() -> Self {
        Self::of(&[(0x0a, 0x0a), (0x0d, 0x0d), (0x2028, 0x2029)]).negated()
    }

    pub fn digit() -> Self {
        Self::of(&[(0x30, 0x39)])
    }

    pub fn word() -> Self {
        Self::of(&[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)])
    }

    /// `WhiteSpace` and `LineTerminator` of ECMA-262.
    pub fn space() -> Self {
        Self::of(&[
            (0x09, 0x0d),
            (0x20, 0x20),
            (0xa0, 0xa0),
            (0x1680, 0x1680),
            (0x2000, 0x200a),
            (0x2028, 0x2029),
            (0x202f, 0x202f),
            (0x205f, 0x205f),
            (0x3000, 0x3000),
            (0xfeff, 0xfeff),
        ])
    }

    /// A set that the engine has by name.
    pub fn named(name: String) -> Self {
        Self { properties: vec![name], ..Self::default() }
    }

    fn of(ranges: &[(u32, u32)]) -> Self {
        Self { ranges: ranges.to_vec(), ..Self::default() }
    }

    /// All code points that are not in a set, which has no property.
    pub fn negated(mut self) -> Self {
        self.negated = !self.negated;
        self
    }

    /// Adds a range of code points, ends included.
    pub fn add_range(&mut self, first: u32, last: u32) {
        self.ranges.push((first, last));
    }

    /// Adds what is in another set.
    pub fn add(&mut self, other: Self) {
        self.properties.extend(other.properties);
        if other.negated {
            // Of the sets that can be negated here, none has a property.
            self.ranges.extend(complement(other.ranges));
        } else {
            self.ranges.extend(other.ranges);
        }
    }

    /// Writes the set as a class of the engine. Classes do not nest in it, and no character has a meaning of its own.
    pub fn write(&self, out: &mut String) {
        let ranges = self.ranges.iter().filter_map(|range| without_surrogates(*range)).collect::<Vec<_>>();
        if ranges.is_empty() && self.properties.is_empty() {
            out.push_str(if self.negated { r"[\u{0}-\u{10ffff}]" } else { r"[^\u{0}-\u{10ffff}]" });
            return;
        }
        if let ([], [name], false) = (ranges.as_slice(), self.properties.as_slice(), self.negated) {
            out.push_str(name);
            return;
        }
        out.push_str(if self.negated { "[^" } else { "[" });
        for (first, last) in ranges {
            push_member(out, first);
            if first != last {
                out.push('-');
                push_member(out, last);
            }
        }
        self.properties.iter().for_each(|name| out.push_str(name));
        out.push(']');
    }
}

fn complement(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut out = Vec::with_capacity(ranges.len() + 1);
    let mut next = 0;
    for (first, last) in ranges {
        if first > next {
            out.push((next, first - 1));
        }
        next = next.max(last + 1);
    }
    if next <= LAST {
        out.push((next, LAST));
    }
    out
}

/// A range without the code points that no text has at its ends.
fn without_surrogates((first, last): (u32, u32)) -> Option<(char, char)> {
    let first = if (0xd800..=0xdfff).contains(&first) { 0xe000 } else { first };
    let last = if (0xd800..=0xdfff).contains(&last) { 0xd7ff } else { last };
    (first <= last).then_some((char::from_u32(first)?, char::from_u32(last)?))
}

fn push_member(out: &mut String, c: char) {
    match c {
        _ if c.is_alphanumeric() => out.push(c),
        _ => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}
