//! Talking to Svix: client, errors, mirror, budget.
