//! Pairs of a schema and a payload that are as much work for a validator as the limits permit, and a search for them:
//! random pairs within the limits, of which the expensive ones are changed at random, again and again.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value, json};
use svix_operator::schema::{Compiled, Effort, Findings, Payload};

/// Most bytes of a schema and of a payload.
const MAX_SCHEMA: usize = 500_000;
const MAX_PAYLOAD: usize = 1_000_000;
/// Pairs that are changed, of the most expensive ones.
const KEPT: usize = 24;

/// Definitions, each of which refers twice to the one before.
pub fn doubling(levels: u32, leaf: &Value) -> Map<String, Value> {
    let mut definitions = Map::new();
    definitions.insert("d0".to_owned(), leaf.clone());
    for level in 1..=levels {
        let below = json!({"$ref": format!("#/definitions/d{}", level - 1)});
        definitions.insert(format!("d{level}"), json!({"allOf": [below, below]}));
    }
    definitions
}

/// A text without a pattern in it, so that no two states of an automaton fall together.
pub fn bits(length: u32) -> String {
    let bit = |i: u32| if (i.wrapping_mul(2_654_435_761) >> 16) & 1 == 1 { 'a' } else { 'b' };
    (0..length).map(bit).collect()
}

/// A small schema by which no element of `a` can be judged in less than 16,000 steps.
pub fn heavy_schema() -> Value {
    json!({
        "type": "object", "properties": {"a": {"items": {"$ref": "#/definitions/d14"}}},
        "definitions": doubling(14, &json!({"type": "integer"})),
    })
}

/// A small payload that takes too many steps by [`heavy_schema`].
pub fn heavy_payload() -> Value {
    json!({"a": vec![1; 4_000]})
}

/// Pairs that were the most expensive ones of their search before their work was counted: keywords about text whose value is
/// none, and computing with decimals.
pub fn found_before() -> Vec<(&'static str, Genes)> {
    let genes = |leaves: &[usize], copies, doubling, combine, draft, payload, size, part| Genes {
        leaves: leaves.to_vec(),
        copies,
        doubling,
        combine,
        place: 1,
        draft,
        payload,
        size,
        part,
    };
    vec![
        ("patterns of objects", genes(&[4, 7, 5], 8, 10, 0, 0, 4, 262_144, 524_288)),
        ("patterns of numbers", genes(&[4, 7, 7], 8, 9, 0, 0, 1, 524_288, 64)),
        ("many patterns of numbers", genes(&[4, 8], 384, 3, 4, 0, 1, 8_192, 2)),
        ("patterns and encodings", genes(&[7, 2, 8], 512, 0, 4, 1, 3, 524_288, 16_384)),
        ("encodings of objects", genes(&[7, 2], 1024, 1, 4, 1, 3, 524_288, 16_384)),
        ("formats of integers", genes(&[44, 5, 23], 128, 5, 1, 1, 2, 131_072, 2_048)),
        ("formats of fractions", genes(&[44, 10, 39], 64, 8, 1, 0, 2, 262_144, 524_288)),
    ]
}

/// What a pair is made from.
#[derive(Clone, Debug)]
pub struct Genes {
    leaves: Vec<usize>,
    /// How often each leaf stands in the schema.
    copies: u32,
    /// Levels of doubling references.
    doubling: u32,
    combine: usize,
    place: usize,
    draft: usize,
    payload: usize,
    /// Bytes of the payload, about.
    size: usize,
    /// Characters of one text, elements of one array.
    part: usize,
}

/// One pair.
pub struct Pair {
    pub schema: Value,
    pub payload: String,
}

const COMBINATIONS: usize = 6;
const PLACES: usize = 9;
const PAYLOADS: usize = 18;
const DRAFTS: [&str; 3] = [
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];

/// One keyword, or a few, that judge a value. `n` is the number of the copy.
pub fn leaf(kind: usize, n: u32) -> Value {
    let names = |count: u32| (0..count).map(|i| format!("k{i}")).collect::<Vec<_>>();
    let all: [&dyn Fn() -> Value; 46] = [
        &|| json!({"contentMediaType": "application/json"}),
        &|| json!({"contentEncoding": "base64"}),
        &|| json!({"contentEncoding": "base64", "contentMediaType": "application/json"}),
        &|| json!({"uniqueItems": true}),
        &|| json!({"pattern": format!("a[ab]{{{}}}c|d$", 100 + n % 2000)}),
        &|| json!({"pattern": format!("(x+x+)+y{n}")}),
        &|| json!({"pattern": format!(r"\p{{L}}{{{}}}$", 1 + n % 20)}),
        &|| json!({"pattern": format!("(a|b|ab)*c{n}")}),
        &|| json!({"pattern": format!(r"\b\w+\b.*{n}$")}),
        &|| json!({"patternProperties": {format!("a[ab]{{{}}}c|d$", 10 + n % 500): {}}}),
        &|| json!({"patternProperties": {format!("k.*{n}$"): {"type": "integer"}}}),
        &|| json!({"propertyNames": {"pattern": format!("^k[0-9]*{n}?$")}}),
        &|| json!({"propertyNames": {"maxLength": 100 + n}}),
        &|| json!({"not": {"const": n}}),
        &|| json!({"not": {"const": {"a": [n, "x".repeat(50)]}}}),
        &|| json!({"enum": (0..200).map(|i| i + n).collect::<Vec<_>>()}),
        &|| json!({"enum": (0..100).map(|i| json!({"a": f64::from(i + n) + 0.5})).collect::<Vec<_>>()}),
        &|| json!({"enum": (0..100).map(|i| format!("value{}", i + n)).collect::<Vec<_>>()}),
        &|| json!({"contains": {"const": format!("none{n}")}}),
        &|| json!({"contains": {"type": "boolean"}, "minContains": 0}),
        &|| json!({"required": names(20)}),
        &|| json!({"dependentRequired": {format!("k{n}"): names(20)}}),
        &|| json!({"dependencies": {format!("k{n}"): {"required": names(10)}}}),
        &|| json!({"minLength": 3 + n}),
        &|| json!({"maxLength": 1_000_000 - n}),
        &|| json!({"multipleOf": 0.1 + f64::from(n)}),
        &|| json!({"maximum": 1e300, "minimum": -1e300}),
        &|| json!({"multipleOf": 1e-300}),
        &|| json!({"type": ["integer", "string", "null"]}),
        &|| json!({"minProperties": n % 5}),
        &|| json!({"properties": names(30).into_iter().map(|name| (name, json!({"type": "integer"}))).collect::<Map<_, _>>()}),
        &|| json!({"additionalProperties": {"type": "integer"}, "properties": {format!("k{n}"): {}}}),
        &|| json!({"unevaluatedProperties": {"type": "integer"}, "anyOf": [{"properties": {format!("k{n}"): {}}}, {}]}),
        &|| json!({"unevaluatedItems": {"type": "integer"}, "anyOf": [{"prefixItems": [{}]}, {}]}),
        &|| json!({"if": {"required": [format!("k{n}")]}, "then": {"maxProperties": 9}, "else": {"minProperties": 0}}),
        &|| json!({"items": {"type": "integer"}, "minItems": n % 3}),
        &|| json!({"format": "regex"}),
        &|| json!({"format": "idn-email"}),
        &|| json!({"format": "idn-hostname"}),
        &|| json!({"format": "uri"}),
        &|| json!({"format": "uri-template"}),
        &|| json!({"format": "date-time"}),
        &|| json!({"format": "ipv6"}),
        &|| json!({"format": "json-pointer"}),
        &|| json!({"format": "int64"}),
        &|| json!({}),
    ];
    all[kind % all.len()]()
}
/// Kinds of leaves.
pub const LEAVES: usize = 46;

/// A payload of about so many bytes.
fn payload(kind: usize, size: usize, part: usize) -> String {
    let list = |item: &str| format!("[{}{item}]", format!("{item},").repeat(size / (item.len() + 1)));
    let numbered = |item: &dyn Fn(usize) -> String| {
        let mut text = String::from("[");
        for n in 0.. {
            text.push_str(&item(n));
            if text.len() >= size {
                break;
            }
            text.push(',');
        }
        text + "]"
    };
    let texts = |unit: &str| list(&format!("\"{}\"", unit.repeat(part.div_ceil(unit.len()))));
    let bits = bits(part as u32);
    match kind % PAYLOADS {
        0 => list("1"),
        1 => numbered(&|n| (n * 7).to_string()),
        2 => numbered(&|n| format!("{}.5", n * 7)),
        3 => list("{}"),
        4 => numbered(&|n| format!("{{\"k{}\":{n}}}", n % 40)),
        5 => texts("a"),
        6 => texts("ab"),
        7 => texts("x"),
        8 => texts("ü."),
        9 => texts("a."),
        10 => texts("(a)\\\\1"),
        11 => list(&format!("\"{bits}\"")),
        12 => {
            let members: Vec<_> = (0..size / 12).map(|n| format!("\"k{n}\":{n}")).collect();
            format!("{{{}}}", members.join(","))
        }
        13 => {
            let long = "a".repeat(part);
            let members: Vec<_> = (0..size / (part + 12)).map(|n| format!("\"{long}{n}\":{n}")).collect();
            format!("{{{}}}", members.join(","))
        }
        14 => texts("[1,2]"),
        15 => list(&format!("{}{}", "[".repeat(1 + part % 100), "]".repeat(1 + part % 100))),
        16 => numbered(&|n| format!("[{n},[{n}],{{\"a\":[{n}]}}]")),
        _ => numbered(&|n| format!("0.{}1e-30", n + 1)),
    }
}

impl Genes {
    pub fn random(random: &mut StdRng) -> Self {
        let count = random.random_range(1..4);
        Self {
            leaves: (0..count).map(|_| random.random_range(0..LEAVES)).collect(),
            copies: 1 << random.random_range(0..13),
            doubling: if random.random_bool(0.5) { 0 } else { random.random_range(1..17) },
            combine: random.random_range(0..COMBINATIONS),
            place: random.random_range(0..PLACES),
            draft: random.random_range(0..DRAFTS.len()),
            payload: random.random_range(0..PAYLOADS),
            size: 1 << random.random_range(8..20),
            part: 1 << random.random_range(0..20),
        }
    }

    /// The same but for one gene.
    fn changed(&self, random: &mut StdRng) -> Self {
        let (mut changed, other) = (self.clone(), Self::random(random));
        match random.random_range(0..11) {
            0 => changed.leaves = other.leaves,
            1 if changed.leaves.len() < 8 => changed.leaves.push(other.leaves[0]),
            2 => changed.copies = (changed.copies * 2).min(8192),
            3 => changed.copies = (changed.copies / 2).max(1),
            4 => changed.doubling = (changed.doubling + 1).min(17),
            5 => changed.doubling = changed.doubling.saturating_sub(1),
            6 => changed.combine = other.combine,
            7 => changed.place = other.place,
            8 => changed.payload = other.payload,
            9 => changed.size = (changed.size * 2).min(MAX_PAYLOAD),
            _ => (changed.part, changed.draft) = (other.part, other.draft),
        }
        changed
    }

    pub fn pair(&self) -> Pair {
        let copies = self.leaves.iter().flat_map(|kind| (0..self.copies).map(|n| leaf(*kind, n)));
        // What is larger is refused, and takes gigabytes here.
        let mut bytes = 0;
        let is_within = |leaf: &Value| {
            bytes += leaf.to_string().len();
            bytes <= MAX_SCHEMA
        };
        let all: Vec<Value> = copies.take(9_000).take_while(is_within).collect();
        let judge = match self.combine {
            0 => json!({ "allOf": all }),
            1 => json!({ "anyOf": all }),
            2 => json!({ "oneOf": all }),
            3 => json!({"not": {"anyOf": all}}),
            4 => json!({"allOf": all.iter().map(|leaf| json!({"not": {"not": leaf}})).collect::<Vec<_>>()}),
            _ => all.into_iter().next().unwrap_or_default(),
        };
        let definitions = doubling(self.doubling, &judge);
        let top = json!({"$ref": format!("#/definitions/d{}", self.doubling)});
        let placed = match self.place {
            0 => json!({ "allOf": [top] }),
            1 => json!({ "items": top }),
            2 => json!({ "additionalProperties": top }),
            3 => json!({ "propertyNames": top }),
            4 => json!({ "contains": top }),
            5 => json!({"items": {"items": top}}),
            6 => json!({"patternProperties": {"k": top, "[0-9]": top, "^a*": top}}),
            7 => json!({"items": {"additionalProperties": top}}),
            _ => json!({"unevaluatedItems": top, "unevaluatedProperties": top}),
        };
        let mut schema = placed;
        schema["$schema"] = DRAFTS[self.draft].into();
        schema["definitions"] = definitions.into();
        let mut payload = payload(self.payload, self.size, self.part.min(self.size));
        if payload.len() > MAX_PAYLOAD {
            payload = "[]".to_owned();
        }
        Pair { schema, payload }
    }
}

impl Pair {
    /// Compiles, reads and judges, if the pair is within the limits. Returns what was found, and the time of the three.
    pub fn judge(&self, effort: &Effort) -> Option<(Findings, [Duration; 3])> {
        if self.schema.to_string().len() > MAX_SCHEMA {
            return None;
        }
        let begun = Instant::now();
        let compiled = Compiled::new(&self.schema, true).ok()?;
        let compile = begun.elapsed();
        let begun = Instant::now();
        let payload = Payload::parse(self.payload.as_bytes()).ok()?;
        let read = begun.elapsed();
        let begun = Instant::now();
        let findings = compiled.judge_within(&payload, effort);
        Some((findings, [compile, read, begun.elapsed()]))
    }
}

/// The worst that a search found.
pub struct Worst {
    pub genes: Genes,
    pub cost: f64,
}

/// Judges so many pairs, and returns the most expensive ones, the worst first. `cost` returns what a pair costs; `None`: it is
/// beyond a limit, and does not count.
pub fn search(seed: u64, pairs: usize, mut cost: impl FnMut(&Pair) -> Option<f64>) -> Vec<Worst> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut kept: Vec<Worst> = Vec::new();
    let mut judged = 0;
    let is_traced = std::env::var_os("HOSTILE_TRACE").is_some();
    while judged < pairs {
        let genes = match kept.get(random.random_range(0..KEPT)) {
            Some(kept) if random.random_bool(0.8) => kept.genes.changed(&mut random),
            _ => Genes::random(&mut random),
        };
        // The last line says which pair ended the process.
        if is_traced {
            eprintln!("{genes:?}");
        }
        let Some(cost) = cost(&genes.pair()) else { continue };
        judged += 1;
        kept.push(Worst { genes, cost });
        kept.sort_by(|a, b| b.cost.total_cmp(&a.cost));
        kept.truncate(KEPT);
    }
    kept
}
