//! JSON Schemas of payloads: compiles them within limits, and reports how a payload violates one.
//!
//! A schema is Draft 7 unless its `$schema` says otherwise (Svix itself compiles each as Draft 7). Nothing
//! leaves the document: a reference to another is an error, and no file or address is ever read.

mod bounds;
pub mod decimal;
mod document;
mod draft;
pub mod draft7;
mod effort;
mod error;
pub mod evolution;
mod exact;
mod exclusive;
mod formats;
mod instance;
pub(crate) mod keywords;
mod limits;
mod messages;
mod patterns;
mod payload;
mod place;
mod pointer;
mod rewrite;
mod rounded;
mod size;
mod text;
mod validator;
mod violation;
mod warnings;
mod weight;
mod work;

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use document::Document;
use draft::draft;
pub use effort::{Effort, MAX_STEPS, SMALL_BYTES};
use effort::{FEW_FINDING_STEPS, MAX_FINDING_STEPS};
pub use error::InvalidSchema;
pub use exact::Payload;
use instance::{Instance, Meter, Metered, Weights};
use limits::pointers;
pub use limits::{MAX_DEPTH, MAX_SCHEMA_BYTES, MAX_SUBSCHEMAS, check_text as check_schema_text};
use messages::Sources;
use patterns::Patterns;
pub use payload::{parse, parts};
pub use place::Place;
use place::Places;
pub use size::{MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH};
use violation::{MAX_COUNTED, MAX_VIOLATIONS};
pub use violation::{Violation, describe};
pub use warnings::{Warning, warnings};
pub use weight::{MAX_WEIGHT, check as check_weight, compiled_size, weigh};

/// Schemas whose patterns take more bytes are compiled one at a time.
const LARGE_PATTERNS: usize = 4 * 1024 * 1024;

/// A schema ready to judge payloads.
pub struct Compiled {
    validator: Validator<Metered>,
    /// Patterns as their author wrote them, for messages.
    patterns: Patterns,
    /// The JSON Pointers that the validator keeps.
    pointers: pointers::Size,
    /// Payloads that are nested deeper would be too much work.
    deepest: usize,
    /// What the schema does with text.
    weights: Weights,
}

/// How a payload violates a schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first violations. None: the payload matches.
    pub violations: Vec<Violation>,
    /// How many there are beyond them.
    pub more: usize,
    /// The places of all of them, each once, without anything of the payload.
    pub places: Vec<Place>,
    /// Whether nobody knows if the payload matches, since finding out takes too much work. Then there is one violation, which
    /// says where judging was given up, and the bound.
    pub is_given_up: bool,
    /// The steps that were counted.
    pub steps: u64,
}

impl Findings {
    fn given_up(pointer: &str, message: String, steps: u64) -> Self {
        let (violations, places) = (vec![Violation::at(pointer, message)], vec![Place::given_up()]);
        Self { violations, more: 0, places, is_given_up: true, steps }
    }
}

impl Compiled {
    /// Compiles a schema. `format_assertion`: whether formats and content encodings are enforced, or annotations.
    pub fn new(schema: &Value, format_assertion: bool) -> Result<Self, InvalidSchema> {
        Self::new_within(schema, format_assertion, &Effort::full())
    }

    /// Compiles a schema, if that takes no more than the effort. Otherwise it is exceeded, and the error says nothing of the
    /// schema.
    pub fn new_within(
        schema: &Value,
        format_assertion: bool,
        effort: &Effort,
    ) -> Result<Self, InvalidSchema> {
        Self::with_document(schema, format_assertion, effort).map(|(compiled, _)| compiled)
    }

    /// As [`Self::new_within`]. Returns the document that the schema was read into, too.
    fn with_document<'a>(
        schema: &'a Value,
        format_assertion: bool,
        effort: &Effort,
    ) -> Result<(Self, Document<'a>), InvalidSchema> {
        let compiled = Self::compile(schema, format_assertion, effort);
        // It may be the bound of a brief effort, and finding an error again takes little.
        if effort.is_brief() && matches!(compiled, Err(InvalidSchema::Limit { .. })) {
            effort.exceed();
        }
        compiled
    }

    fn compile<'a>(
        schema: &'a Value,
        format_assertion: bool,
        effort: &Effort,
    ) -> Result<(Self, Document<'a>), InvalidSchema> {
        if effort.is_brief() && size::values(schema) > effort.schema_values() {
            return Err(error::beyond("too large to be compiled at once"));
        }
        let size = limits::check(schema)?;
        if effort.is_brief() && !size.is_brief(effort) {
            // It would wait for other large ones.
            return Err(error::beyond("too large to be compiled at once"));
        }
        let is_large = size.is_large() && !effort.is_brief();
        let _large = is_large.then(exclusive::enter);
        let document = Document::read(schema, draft(schema)?)?;
        let deepest = work::deepest_payload(&document, effort.reference_steps())?;
        let patterns = Patterns::within(&document, effort.pattern_size())?;
        // The pointers of the validator contain patterns as they are translated.
        let pointers = pointers::check(schema, &|key| patterns.translated(key))?;
        let is_larger = patterns.programs() > LARGE_PATTERNS || pointers.is_large();
        if effort.is_brief() && is_larger {
            return Err(error::beyond("too large to be compiled at once"));
        }
        let _guard = (!is_large && is_larger).then(exclusive::enter);
        let validator = validator::build(&document, &patterns, format_assertion)?;
        let weights = Weights {
            text: if format_assertion { formats::weight(&document) } else { 0 },
            name: patterns.states_of_names() as u64,
            copied: largest_copied(&document),
            copies_values: document.subschemas.iter().any(|subschema| {
                ["anyOf", "oneOf"].iter().any(|keyword| subschema.value.get(keyword).is_some())
            }),
        };
        Ok((Self { validator, patterns, pointers, deepest, weights }, document))
    }

    /// The memory that patterns and pointers take beside what [`compiled_size`] says of the text, in bytes, about.
    #[must_use]
    pub fn further_memory(&self) -> usize {
        self.patterns.memory() + self.pointers.kept()
    }

    /// Whether a payload matches the schema, and the steps of finding out: more than `most` where that is not known, which
    /// counts as no match. Cheaper than [`Compiled::violations`] for a payload that does not match.
    fn permits(&self, payload: &Value, most: u64) -> (bool, u64) {
        if size::deeper_than(payload, self.deepest).is_some() {
            return (false, 0);
        }
        let meter = Meter::new(most, self.weights);
        let permits = meter.run(|| self.validator.is_valid(Instance { value: payload, meter: &meter }));
        (permits == Some(true), if permits.is_some() { meter.spent() } else { most + 1 })
    }

    /// Returns how a payload violates the schema: the first violations, and the number of further ones. Empty: it
    /// matches. The payload is one that a parser read: nested no deeper than [`MAX_PAYLOAD_DEPTH`].
    #[must_use]
    pub fn violations(&self, payload: &Value) -> (Vec<Violation>, usize) {
        let findings = self.judge_value(payload);
        (findings.violations, findings.more)
    }

    /// Judges a payload of which the text is not known.
    #[must_use]
    pub fn judge_value(&self, payload: &Value) -> Findings {
        self.judged(payload, std::iter::empty(), &Effort::full())
    }

    /// Judges a payload, with its numbers as they are written.
    #[must_use]
    pub fn judge(&self, payload: &Payload) -> Findings {
        self.judge_within(payload, &Effort::full())
    }

    /// Judges a payload within the effort that is left.
    #[must_use]
    pub fn judge_within(&self, payload: &Payload, effort: &Effort) -> Findings {
        self.judged(payload.value(), payload.rounded(), effort)
    }

    fn judged<'p>(
        &self,
        payload: &'p Value,
        rounded: impl Iterator<Item = (&'p Value, &'p str)>,
        effort: &Effort,
    ) -> Findings {
        // No parser lets a payload through that is nested deeper, so most schemas need no check.
        if self.deepest < MAX_PAYLOAD_DEPTH
            && let Some(pointer) = size::deeper_than(payload, self.deepest)
        {
            let message = format!(
                "found more than {deepest} levels of nesting, expected at most {deepest}, which is all that this schema can \
                 validate in bounded time; make the payload flatter, or the schema less recursive",
                deepest = self.deepest
            );
            return Findings::given_up(&pointer, message, 0);
        }
        let mut meter = Meter::new(effort.judging(), self.weights);
        for (number, digits) in rounded {
            meter = meter.with_digits(number, digits);
        }
        // Most payloads match, and the way to one bit is shorter than the way to all errors.
        let is_valid = meter.run(|| self.validator.is_valid(Instance { value: payload, meter: &meter }));
        let steps = meter.spent();
        effort.spend_judging(steps);
        match meter.stopped() {
            Some(address) => {
                effort.exceed();
                // The place is of use only where the judgement counts.
                let pointer =
                    if effort.is_brief() { String::new() } else { size::place_of(payload, address) };
                let message = format!(
                    "found a payload whose validation takes more than {MAX_STEPS} steps, those of other payloads in the same \
                     request or object included, and was given up at this place; make the payload smaller, or the schema \
                     simpler"
                );
                Findings::given_up(&pointer, message, steps)
            }
            None if is_valid == Some(true) => Findings { steps, ..Findings::default() },
            None => self.found(payload, meter, steps, effort),
        }
    }

    /// Returns what is wrong with a payload that does not match.
    fn found(&self, payload: &Value, meter: Meter, mut steps: u64, effort: &Effort) -> Findings {
        // Few violations take little memory. Many are collected for one payload at a time.
        let longest = size::longest_pointer(payload);
        let meter = meter.finding(effort.finding(FEW_FINDING_STEPS), longest);
        let findings = self.collected(payload, &meter, &mut steps);
        effort.spend_finding(meter.spent());
        if let Some(findings) = findings {
            return findings;
        }
        if effort.is_brief() {
            effort.exceed();
            return Findings::default();
        }
        let _guard = exclusive::enter();
        let meter = meter.finding(effort.finding(MAX_FINDING_STEPS), longest);
        let findings = self.collected(payload, &meter, &mut steps);
        effort.spend_finding(meter.spent());
        if let Some(findings) = findings {
            return findings;
        }
        let meter = meter.finding(effort.finding(MAX_FINDING_STEPS), longest);
        let first = meter.run(|| self.validator.validate(Instance { value: payload, meter: &meter }).err());
        let first = first.flatten();
        effort.spend_finding(meter.spent());
        let message = match &first {
            Some(_) => "found too large a payload to say what else is wrong with it; fix the first",
            None => "found a payload that does not match, and is too large to say where",
        };
        let rest = Violation { pointer: String::new(), message: message.to_owned() };
        let mut places = Places::default();
        first.iter().for_each(|error| places.add(error));
        let violations =
            first.iter().map(|error| self.violation(error, payload, &meter)).chain([rest]).collect();
        Findings {
            violations,
            places: places.into_vec(),
            steps: steps + meter.spent(),
            ..Findings::default()
        }
    }

    fn violation(&self, error: &ValidationError<'_>, payload: &Value, meter: &Meter) -> Violation {
        let digits = |pointer: &str| meter.digits(payload.pointer(pointer)?);
        messages::violation(error, Sources { patterns: &self.patterns, digits: &digits })
    }

    /// Collects all violations, unless that takes more steps than are left.
    fn collected(&self, payload: &Value, meter: &Meter, steps: &mut u64) -> Option<Findings> {
        let errors = meter.run(|| self.validator.iter_errors(Instance { value: payload, meter }));
        *steps += meter.spent();
        let mut errors = errors?;
        let (mut violations, mut places, mut more) = (Vec::new(), Places::default(), 0);
        for error in errors.by_ref().take(MAX_VIOLATIONS) {
            places.add(&error);
            violations.push(self.violation(&error, payload, meter));
        }
        for error in errors.take(MAX_COUNTED) {
            places.add(&error);
            more += 1;
        }
        Some(Findings { violations, more, places: places.into_vec(), steps: *steps, ..Findings::default() })
    }
}

/// Returns the memory of the largest part of a schema that an error copies, of its list of alternatives, and of its place in the
/// schema.
fn largest_copied(document: &Document<'_>) -> u64 {
    /// What an error has for each alternative.
    const ALTERNATIVE: usize = 32;
    let parts = document.subschemas.iter().flat_map(|subschema| {
        let part = |keyword: &str| subschema.value.get(keyword);
        let copied = ["not", "enum", "const"].map(|keyword| part(keyword).map(size::memory));
        let listed = ["anyOf", "oneOf"].map(|keyword| Some(part(keyword)?.as_array()?.len() * ALTERNATIVE));
        let of_members = part("dependencies").into_iter().chain(part("dependentRequired"));
        let of_members = of_members.filter_map(Value::as_object).flat_map(|members| members.values());
        let names = part("required").into_iter().chain(of_members).filter_map(Value::as_array).flatten();
        copied.into_iter().chain(listed).flatten().chain(names.map(size::memory))
    });
    let places = document.subschemas.iter().map(|subschema| subschema.pointer.len());
    (parts.max().unwrap_or_default() + places.max().unwrap_or_default()) as u64
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("deepest", &self.deepest).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
