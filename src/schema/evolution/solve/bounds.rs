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
        let multiple = match &self.divisor {
            Some(known) => known.common_multiple(divisor),
            None => divisor.clone(),
        };
        // Of numbers so large that no payload has one, zero is the only multiple. So the digits stay bounded, too.
        if multiple.is_beyond_payloads() {
            self.at_least(Decimal::whole(0), false);
            self.at_most(Decimal::whole(0), false);
        } else {
            self.divisor = Some(multiple);
        }
    }

    pub fn not_multiple_of(&mut self, divisor: Decimal) {
        if !self.not_divisors.contains(&divisor) {
            self.not_divisors.push(divisor);
        }
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
