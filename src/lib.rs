//! svix-operator keeps a Svix environment in step with Kubernetes custom resources.
