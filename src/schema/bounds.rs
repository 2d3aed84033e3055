//! The keywords about numbers, which compare decimals: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum` and
//! `multipleOf`.
//!
//! jsonschema compares floats, to which `100.0000000000000000000001` is 100. Here a number that a float rounds is compared
//! by its digits; all others as jsonschema does.

use std::cmp::Ordering;

use jsonschema::{
    Keyword, ValidationError,
    json::{JsonNumber, Node as _},
    paths::Location,
};
use serde_json::{Map, Value};

use super::{
    decimal::Decimal,
    instance::{Instance, Metered, Number},
};

/// The keywords that are made here.
pub(super) const KEYWORDS: [&str; 5] =
    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

type Made<'a> = Result<Box<dyn for<'i> Keyword<'i, Metered>>, ValidationError<'a>>;

/// Makes the keyword `name`.
pub(super) fn keyword(
    name: &'static str,
) -> impl for<'a> Fn(&'a Map<String, Value>, &'a Value, Location) -> Made<'a> + Send + Sync + 'static {
    move |schema, value, _| {
        // In Draft 4 a boolean beside a bound makes it exclusive.
        let is_exclusive = |sibling: &str| schema.get(sibling) == Some(&Value::Bool(true));
        let rule = match name {
            "minimum" if is_exclusive("exclusiveMinimum") => Rule::More,
            "minimum" => Rule::AtLeast,
            "maximum" if is_exclusive("exclusiveMaximum") => Rule::Less,
            "maximum" => Rule::AtMost,
            "exclusiveMinimum" => Rule::More,
            "exclusiveMaximum" => Rule::Less,
            _ => Rule::MultipleOf,
        };
        Ok(match value {
            Value::Number(limit) => match Decimal::parse(&limit.to_string()) {
                Some(decimal) => Box::new(Bound { rule, limit: limit.clone(), decimal }),
                None => Box::new(NoBound),
            },
            // The boolean of Draft 4. Anything else is refused by the meta-schemas.
            _ => Box::new(NoBound),
        })
    }
}

/// What a number is compared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    AtLeast,
    AtMost,
    More,
    Less,
    MultipleOf,
}

impl Rule {
    fn allows(self, ordering: Ordering) -> bool {
        match self {
            Self::AtLeast => ordering.is_ge(),
            Self::AtMost => ordering.is_le(),
            Self::More => ordering.is_gt(),
            Self::Less => ordering.is_lt(),
            Self::MultipleOf => false,
        }
    }
}

struct Bound {
    rule: Rule,
    limit: serde_json::Number,
    decimal: Decimal,
}

impl Bound {
    fn is_met(&self, number: &Number<'_>) -> bool {
        if self.rule == Rule::MultipleOf {
            return match (number.as_u64(), self.limit.as_u64()) {
                (Some(number), Some(divisor)) if divisor > 0 => number % divisor == 0,
                _ => number.decimal().is_some_and(|number| number.is_multiple_of(&self.decimal)),
            };
        }
        let ordering = match (number.as_i64(), self.limit.as_i64()) {
            (Some(number), Some(limit)) => Some(number.cmp(&limit)),
            _ => self.ordering_of_floats(number),
        };
        let ordering = ordering.or_else(|| Some(number.decimal()?.cmp(&self.decimal)));
        ordering.is_some_and(|ordering| self.rule.allows(ordering))
    }

    /// Where floats decide: a number that is written as one, and is not rounded, against a limit that is another float.
    fn ordering_of_floats(&self, number: &Number<'_>) -> Option<Ordering> {
        let is_exact = |number: &serde_json::Number| {
            number.is_f64() || number.as_i64().is_some_and(|integer| integer.unsigned_abs() <= 1 << 53)
        };
        if number.rounded().is_some() || !is_exact(&number.to_number()) || !is_exact(&self.limit) {
            return None;
        }
        number.as_f64()?.partial_cmp(&self.limit.as_f64()?)
    }

    /// What was expected, as a message says it after "expected ".
    fn expected(&self) -> String {
        let limit = &self.limit;
        match self.rule {
            Rule::AtLeast => format!("at least {limit}"),
            Rule::AtMost => format!("at most {limit}"),
            Rule::More => format!("more than {limit}"),
            Rule::Less => format!("less than {limit}"),
            Rule::MultipleOf => format!("a multiple of {limit}"),
        }
    }
}

impl<'i> Keyword<'i, Metered> for Bound {
    fn validate(&self, instance: Instance<'i>) -> Result<(), ValidationError<'i>> {
        match instance.as_number() {
            Some(number) if !self.is_met(&number) => Err(ValidationError::custom(self.expected())),
            _ => Ok(()),
        }
    }

    fn is_valid(&self, instance: Instance<'i>) -> bool {
        instance.as_number().is_none_or(|number| self.is_met(&number))
    }
}

struct NoBound;

impl<'i> Keyword<'i, Metered> for NoBound {
    fn validate(&self, _: Instance<'i>) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _: Instance<'i>) -> bool {
        true
    }
}
