//! An environment that swh-webhooks itself made.
