//! JSON Schemas of payloads: compile within limits, validate, describe violations.
