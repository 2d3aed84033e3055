//! Text: length and patterns by their automata, formats by what is known of them.

use serde_json::Value;

use super::{
    Outcome, Solver,
    automata::{self, Walk},
    facts::Facts,
    texts::Texts,
};
use crate::schema::evolution::{
    formats,
    model::{FacetId, Type},
};

/// Longest text that is made.
const MAX_LENGTH: u64 = 100_000;

impl Solver<'_> {
    pub(super) fn solve_string(&mut self, facts: &Facts) -> Outcome {
        if facts.size.min > MAX_LENGTH {
            return Outcome::Unknown(None);
        }
        if self.facets_contradict(facts) {
            return Outcome::Empty;
        }
        let mut patterns: Vec<(String, bool)> =
            facts.patterns.iter().map(|(id, wanted)| (self.model.pattern(*id).to_owned(), *wanted)).collect();
        let mut is_exact = true;
        for (facet, wanted) in &facts.facets {
            match self.model.facet(*facet).format.as_deref().and_then(formats::shape) {
                Some(shape) if *wanted || shape.is_exact => {
                    is_exact &= shape.is_exact;
                    patterns.push((shape.pattern.to_owned(), *wanted));
                }
                _ => is_exact = false,
            }
        }
        let texts = facts.excluded.iter().flat_map(|values| values.of_type(Type::String));
        let excluded = Texts::of(texts.filter_map(Value::as_str));
        if !self.spend(excluded.len() as u64) {
            return Outcome::Unknown(None);
        }
        let wanted: Vec<_> = patterns.iter().map(|(pattern, wanted)| (pattern.as_str(), *wanted)).collect();
        let walk = automata::shortest(&mut self.automata, &wanted, facts.size, &excluded, &mut self.budget);
        let found = match walk {
            Walk::Empty => return Outcome::Empty,
            Walk::Text(text) if is_exact => {
                let is_kept = self.keep(text.len() as u64 + 64);
                return if is_kept { Outcome::value(text) } else { Outcome::Unknown(None) };
            }
            Walk::Text(text) => Some(text),
            Walk::Unknown => None,
        };
        let guess = found.clone();
        let examples = facts.facets.keys().flat_map(|facet| self.examples(*facet)).collect::<Vec<_>>();
        let candidates = found.into_iter().chain(examples).chain(formats::ODD.map(str::to_owned));
        for text in candidates {
            if self.fits(facts, &text) && self.keep(text.len() as u64 + 64) {
                return Outcome::value(text);
            }
        }
        let guess = guess.filter(|text| self.keep(text.len() as u64 + 64));
        Outcome::Unknown(guess.map(|text| std::rc::Rc::new(text.into())))
    }

    fn examples(&self, facet: FacetId) -> Vec<String> {
        let format = self.model.facet(facet).format.as_deref();
        format.map(formats::examples).unwrap_or_default().iter().map(|text| (*text).to_owned()).collect()
    }

    /// Whether a format must match that is part of one that must not.
    fn facets_contradict(&self, facts: &Facts) -> bool {
        let name = |facet: &FacetId| self.model.facet(*facet).format.as_deref();
        let having = facts.facets.iter().filter(|(_, wanted)| **wanted).filter_map(|(facet, _)| name(facet));
        having.into_iter().any(|inner| {
            let mut lacking =
                facts.facets.iter().filter(|(_, wanted)| !**wanted).filter_map(|(facet, _)| name(facet));
            lacking.any(|outer| formats::is_part_of(inner, outer))
        })
    }

    fn fits(&mut self, facts: &Facts, text: &str) -> bool {
        let length = text.chars().count();
        facts.size.permits(length)
            && !facts.is_excluded(&Value::from(text))
            && facts.patterns.iter().all(|(id, wanted)| {
                self.checks.matches(self.model, &mut self.budget, *id, text) == Some(*wanted)
            })
            && facts.facets.iter().all(|(id, wanted)| {
                self.checks.has_facet(self.model, &mut self.budget, *id, text) == Some(*wanted)
            })
    }
}
