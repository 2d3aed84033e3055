//! Numbers: bounds, multiples by their least common multiple, and numbers that are no multiples.

use num_bigint::BigInt;
use serde_json::Value;

use super::{Outcome, Solver, bounds::NumberFacts, facts::Facts};
use crate::schema::evolution::{decimal::Decimal, model::Type};

/// Most multiples that are tried one after the other, beside those that are excluded.
const MAX_TRIED: usize = 2_000;

impl Solver<'_> {
    pub(super) fn solve_number(&mut self, facts: &Facts) -> Outcome {
        let number = &facts.number;
        let is_free = |number: &Value| !facts.is_excluded(number);
        let excluded: usize = facts.excluded.iter().map(|values| values.of_type(Type::Number).len()).sum();
        // What it takes to try a number.
        let steps = 1 + number.not_divisors.len() as u64 + facts.look_up();
        let as_value = |number: &Decimal| number.to_json().filter(|value| is_free(value));
        match (&number.least, &number.most) {
            (Some((least, low)), Some((most, high)))
                if least > most || (least == most && (*low || *high)) =>
            {
                return Outcome::Empty;
            }
            _ => {}
        }
        let zero = Decimal::whole(0);
        if number.permits(&zero)
            && let Some(value) = as_value(&zero)
        {
            return Outcome::value(value);
        }
        match &number.divisor {
            Some(divisor) => {
                let tries = MAX_TRIED + excluded;
                self.solve_multiple(number, divisor, (tries, steps), &as_value)
            }
            None => self.solve_between(number, steps, &as_value),
        }
    }

    /// A number that is a multiple of `divisor`.
    fn solve_multiple(
        &mut self,
        facts: &NumberFacts,
        divisor: &Decimal,
        (tries, steps): (usize, u64),
        as_value: &dyn Fn(&Decimal) -> Option<Value>,
    ) -> Outcome {
        // Where every multiple is a multiple of what it must not be, there is none.
        if !self.spend(steps) {
            return Outcome::Unknown(None);
        }
        if facts.not_divisors.iter().any(|not| divisor.is_multiple_of(not)) {
            return Outcome::Empty;
        }
        let least = facts.least.as_ref().map(|(bound, _)| {
            let quotient = bound.floor_div(divisor);
            if divisor.times(&quotient) == *bound { quotient } else { quotient + 1 }
        });
        let most = facts.most.as_ref().map(|(bound, _)| bound.floor_div(divisor));
        // From the bound that is nearer to zero, towards the other.
        let (start, step) = match (&least, &most) {
            (Some(least), Some(most)) if least > most => return Outcome::Empty,
            (Some(least), _) if *least >= BigInt::ZERO => (least.clone(), 1),
            (_, Some(most)) if *most <= BigInt::ZERO => (most.clone(), -1),
            _ => (BigInt::ZERO, 1),
        };
        let is_both = start == BigInt::ZERO;
        let mut is_complete = true;
        for direction in [step, -step] {
            let mut factor = start.clone();
            let mut tried = 0;
            loop {
                let is_beyond = least.as_ref().is_some_and(|least| factor < *least)
                    || most.as_ref().is_some_and(|most| factor > *most);
                if is_beyond {
                    break;
                }
                if tried >= tries || !self.spend(steps) {
                    is_complete = false;
                    break;
                }
                let candidate = divisor.times(&factor);
                if facts.permits(&candidate)
                    && let Some(value) = as_value(&candidate)
                {
                    return Outcome::value(value);
                }
                factor += direction;
                tried += 1;
            }
            if !is_both {
                break;
            }
        }
        if is_complete { Outcome::Empty } else { Outcome::Unknown(None) }
    }

    /// A number within bounds.
    fn solve_between(
        &mut self,
        facts: &NumberFacts,
        steps: u64,
        as_value: &dyn Fn(&Decimal) -> Option<Value>,
    ) -> Outcome {
        let mut candidates = Vec::new();
        let low = facts.least.as_ref().map(|(bound, _)| bound.clone());
        let high = facts.most.as_ref().map(|(bound, _)| bound.clone());
        if let (Some(low), Some(high)) = (&low, &high)
            && low == high
        {
            // A single number.
            return match (facts.permits(low), as_value(low)) {
                (true, Some(value)) => Outcome::value(value),
                // One that no payload has is none, too.
                _ => Outcome::Empty,
            };
        }
        candidates.extend(low.clone());
        candidates.extend(high.clone());
        let base = low.clone().or(high.clone()).unwrap_or(Decimal::whole(0));
        let floor = base.floor_div(&Decimal::whole(1));
        for offset in -20i64..=20 {
            let whole = Decimal::whole(&floor + offset);
            candidates.push(base.plus(&Decimal::whole(offset)));
            candidates.push(whole.halfway(&whole.plus(&Decimal::whole(1))));
            candidates.push(whole);
        }
        let (mut from, to) = match (&low, &high) {
            (Some(low), Some(high)) => (low.clone(), high.clone()),
            (Some(low), None) => (low.clone(), low.plus(&Decimal::whole(1))),
            (None, Some(high)) => (high.plus(&Decimal::whole(-1)), high.clone()),
            (None, None) => (Decimal::whole(0), Decimal::whole(1)),
        };
        let first = from.clone();
        for _ in 0..40 {
            from = from.halfway(&to);
            candidates.push(from.clone());
            candidates.push(first.halfway(&from));
        }
        if !self.spend(candidates.len() as u64 * steps) {
            return Outcome::Unknown(None);
        }
        let found = candidates.iter().filter(|it| facts.permits(it)).find_map(as_value);
        // Between two numbers there are more than any list excludes, though perhaps none that a payload can have.
        found.map_or(Outcome::Unknown(None), Outcome::value)
    }
}
