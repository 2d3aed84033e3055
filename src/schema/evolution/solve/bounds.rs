//! What is known of a number: bounds, and what it is a multiple of.

use crate::schema::evolution::decimal::Decimal;

/// What is known of a number.
#[derive(Clone, Default)]
pub(super) struct NumberFacts {
    /// The lower bound, and whether it is exclusive.
    pub least: Option<(Decimal, bool)>,
    pub most: Option<(Decimal, bool)>,
    pub divisor: Option<Decimal>,
    pub not_divisors: Vec<Decimal>,
}

impl NumberFacts {
    pub fn at_least(&mut self, bound: Decimal, is_exclusive: bool) {
        match &mut self.least {
            Some((known, exclusive)) if *known == bound => *exclusive |= is_exclusive,
            Some((known, _)) if *known > bound => {}
            least => *least = Some((bound, is_exclusive)),
        }
    }

    pub fn at_most(&mut self, bound: Decimal, is_exclusive: bool) {
        match &mut self.most {
            Some((known, exclusive)) if *known == bound => *exclusive |= is_exclusive,
            Some((known, _)) if *known < bound => {}
            most => *most = Some((bound, is_exclusive)),
        }
    }

    pub fn multiple_of(&mut self, divisor: &Decimal) {
        self.divisor = Some(match &self.divisor {
            Some(known) => known.common_multiple(divisor),
            None => divisor.clone(),
        });
    }

    pub fn not_multiple_of(&mut self, divisor: Decimal) {
        self.not_divisors.push(divisor);
    }

    /// Whether a number agrees with all.
    pub fn permits(&self, number: &Decimal) -> bool {
        let above = |(bound, exclusive): &(Decimal, bool)| number > bound || (!exclusive && number == bound);
        let below = |(bound, exclusive): &(Decimal, bool)| number < bound || (!exclusive && number == bound);
        self.least.as_ref().is_none_or(above)
            && self.most.as_ref().is_none_or(below)
            && self.divisor.as_ref().is_none_or(|divisor| number.is_multiple_of(divisor))
            && !self.not_divisors.iter().any(|divisor| number.is_multiple_of(divisor))
    }
}
