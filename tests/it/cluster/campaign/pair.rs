//! An event type and an endpoint whose specs change at random, but validly, over all of their fields; and the Secret and
//! the ConfigMap that they take values from. The same seed makes the same chain.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value, json};

use super::tokens::{self, Tokens};
use crate::support::objects::{Manifest, endpoint, event_type};

/// Every field of an event type's spec that changes. The three places of a schema are one.
pub const OF_EVENT_TYPES: [&str; 14] = [
    "schema",
    "description",
    "examples",
    "formatAssertion",
    "payloadPolicy",
    "compatibility",
    "revisionHistoryLimit",
    "groupName",
    "featureFlag",
    "deprecated",
    "deletionPolicy",
    "adoption",
    "managementPolicy",
    "suspend",
];

/// Every field of an endpoint's spec that changes. The two places of an address are one.
pub const OF_ENDPOINTS: [&str; 14] = [
    "url",
    "eventTypes",
    "channels",
    "description",
    "throttleRate",
    "metadata",
    "headers",
    "signingSecret",
    "disabled",
    "statistics",
    "adoption",
    "managementPolicy",
    "suspend",
    "deletionPolicy",
];

/// Fields that are given once, as they cannot be changed; `connectionRef` changes for both at once.
/// The campaign changes `featureFlag`, which is the same in Svix as one of `featureFlags`.
pub const OF_BOTH_OR_FIXED: [&str; 5] = ["name", "application", "uid", "connectionRef", "featureFlags"];

/// Event types that are always there, on both connections.
pub const COMMON: [&str; 2] = ["common.one", "common.two"];

/// Fields that Svix holds and a spec may leave unsaid.
pub const OPTIONAL: [&str; 7] =
    ["description", "channels", "throttleRate", "disabled", "headers", "metadata", "schemas"];

/// A pair at one point of its chain.
pub struct Pair {
    pub seed: u64,
    pub random: StdRng,
    pub tokens: Tokens,
    pub event_type: Manifest,
    pub endpoint: Manifest,
    /// The data of the Secret of the pair's name.
    pub secret: BTreeMap<&'static str, String>,
    /// The schema in the ConfigMap of the pair's name.
    pub schema: String,
    /// Which of the two connections both are on.
    pub connection: usize,
    /// The connections that both were on.
    pub visited: BTreeSet<usize>,
    /// Whether the endpoint was left behind somewhere, as its `deletionPolicy` stated.
    pub left_behind: bool,
    /// Fields in Svix that were not made by this spec, in the event type and in the endpoint: what nobody declares keeps
    /// the value that it has there.
    pub touched: [BTreeSet<&'static str>; 2],
    /// How often the signing key was rotated by hand.
    pub rotations: usize,
    /// What was declared and done so far.
    pub chain: Vec<Value>,
}

impl Pair {
    /// The first declaration of a seed.
    pub fn new(seed: u64) -> Self {
        let name = format!("s{seed:03}");
        let created = format!("{name}.created");
        let mut pair = Self {
            seed,
            random: StdRng::seed_from_u64(seed),
            tokens: Tokens::new(seed),
            event_type: event_type(&created),
            endpoint: endpoint(&name, &[&created]),
            secret: BTreeMap::new(),
            schema: "{}".to_owned(),
            connection: 0,
            visited: BTreeSet::from([0]),
            left_behind: false,
            touched: Default::default(),
            rotations: 0,
            chain: Vec::new(),
        };
        if pair.chance(0.5) {
            pair.event_type = pair.event_type.named(&name).with("name", created);
        }
        if pair.chance(0.3) {
            pair.endpoint = pair.endpoint.with("uid", format!("u-{seed}"));
        }
        if pair.chance(0.3) {
            pair.endpoint = pair.endpoint.with("application", format!("team-{}", seed % 3));
        }
        for key in ["key", "url", "auth", "team"] {
            pair.change_secret(key);
        }
        pair.schema = pair.text_schema();
        for field in OF_EVENT_TYPES.into_iter().filter(|field| *field != "schema") {
            if pair.chance(0.3) {
                pair.set_of_event_type(field);
            }
        }
        for field in OF_ENDPOINTS {
            if pair.chance(0.3) {
                pair.set_of_endpoint(field);
            }
        }
        pair.manage();
        pair.record();
        pair
    }

    /// One mutation further; after the last one nothing is observed or suspended.
    pub fn mutate(&mut self, last: bool) {
        for field in self.some_of(&OF_EVENT_TYPES) {
            if self.chance(0.3) && field != "schema" {
                self.event_type = self.event_type.clone().with(field, Value::Null);
            } else {
                self.set_of_event_type(field);
            }
        }
        for field in self.some_of(&OF_ENDPOINTS) {
            if self.chance(0.3) && !["url", "eventTypes"].contains(&field) {
                self.endpoint = self.endpoint.clone().with(field, Value::Null);
            } else {
                self.set_of_endpoint(field);
            }
        }
        if self.chance(0.4) {
            let key = self.pick(&["key", "url", "auth", "team"]);
            self.change_secret(key);
        }
        if self.chance(0.3) {
            self.schema = self.text_schema();
        }
        if self.chance(0.2) {
            let now = self.text();
            self.endpoint = self.endpoint.clone().annotated("svix-operator.dev/reconcile-at", &now);
            self.event_type = self.event_type.clone().annotated("svix-operator.dev/reconcile-at", &now);
        }
        if self.chance(0.1) {
            let now = self.text();
            self.endpoint = self.endpoint.clone().annotated("svix-operator.dev/rotate-at", &now);
        }
        let moves = self.chance(0.15);
        if moves || last {
            self.manage();
        }
        if moves {
            self.change_connection();
        }
        self.record();
    }

    /// Both go to the other connection.
    fn change_connection(&mut self) {
        // What is retained there would be somebody's on the way back.
        if self.event_type.0["spec"]["deletionPolicy"] == "Retain" {
            self.event_type = self.event_type.clone().with("deletionPolicy", Value::Null);
        }
        let retained = self.endpoint.0["spec"]["deletionPolicy"] == "Retain";
        self.left_behind |= retained;
        self.connection = 1 - self.connection;
        if !self.visited.insert(self.connection) {
            // An archived event type is revived, and a retained endpoint found again, with what nobody declares as it was.
            self.touched = [OPTIONAL, OPTIONAL].map(BTreeSet::from);
        }
    }

    /// Nothing is observed or suspended.
    fn manage(&mut self) {
        for object in [&mut self.event_type, &mut self.endpoint] {
            *object = object.clone().with("managementPolicy", Value::Null).with("suspend", Value::Null);
        }
    }

    /// Whether Svix is not made to hold what these declare: the event type, and the endpoint.
    pub fn on_hold(&self) -> [bool; 2] {
        [&self.event_type, &self.endpoint].map(|object| {
            let spec = &object.0["spec"];
            spec["managementPolicy"] == "Observe" || spec["suspend"] == true
        })
    }

    pub fn name(&self) -> String {
        format!("s{:03}", self.seed)
    }

    pub fn event_type_name(&self) -> String {
        format!("{}.created", self.name())
    }

    pub fn application(&self) -> &str {
        self.endpoint.0["spec"]["application"].as_str().unwrap_or("default")
    }

    /// The endpoint's uid, of an object in this namespace.
    pub fn uid(&self, namespace: &str) -> String {
        let given = self.endpoint.0["spec"]["uid"].as_str();
        given.map_or_else(|| format!("test.{namespace}.{}", self.name()), str::to_owned)
    }

    /// Notes what is declared now.
    fn record(&mut self) {
        let of = |object: &Manifest| json!([object.0["metadata"]["annotations"], object.0["spec"]]);
        self.chain.push(json!({
            "connection": self.connection, "eventType": of(&self.event_type), "endpoint": of(&self.endpoint),
            "configMap": self.schema, "secret": self.secret,
        }));
    }

    // --- values

    fn set_of_event_type(&mut self, field: &'static str) {
        let value = match field {
            "schema" => return self.set_schema(),
            "description" => json!(self.text()),
            "examples" => self.examples(),
            "formatAssertion" | "deprecated" | "suspend" => json!(self.chance(0.5)),
            "payloadPolicy" => json!(self.pick(&["Enforce", "Warn", "Audit"])),
            // What is enforced may stall the object, which is tested elsewhere.
            "compatibility" => {
                let level = self.pick(&["ConsumerSafe", "Strict", "Backward", "Full", "None"]);
                let against = self.pick(&["Last", "All"]);
                json!({"level": level, "action": "Warn", "against": against})
            }
            "revisionHistoryLimit" => json!(self.random.random_range(0..4)),
            // Ignored by the open-source server, which is reported; so it is rare.
            "groupName" if self.chance(0.8) => Value::Null,
            "groupName" => json!("group"),
            "featureFlag" => json!(self.pick(&["beta", "a.b-c_d", "X"])),
            "deletionPolicy" => json!(self.pick(&["Archive", "Expunge", "Retain"])),
            "adoption" => json!(self.pick(&["Never", "Match", "Override"])),
            "managementPolicy" => json!(self.pick(&["Manage", "Observe"])),
            other => unreachable!("{other}"),
        };
        self.event_type = self.event_type.clone().with(field, value);
    }

    fn set_schema(&mut self) {
        let mut object = self.event_type.clone();
        for place in ["schema", "schemaText", "schemaFrom"] {
            object = object.with(place, Value::Null);
        }
        self.event_type = match self.random.random_range(0..3) {
            0 => object.with("schema", self.object_schema()),
            1 => object.with("schemaText", self.text_schema()),
            _ => object
                .with("schemaFrom", json!({"configMapKeyRef": {"name": self.name(), "key": "schema.json"}})),
        };
    }

    /// A schema that every example matches.
    fn object_schema(&mut self) -> Value {
        let mut properties = Map::new();
        if self.chance(0.7) {
            properties.insert(
                "id".into(),
                json!({"type": "integer", "minimum": self.random.random_range(0..1000)}),
            );
        }
        if self.chance(0.5) {
            properties.insert("when".into(), json!({"type": "string", "format": "date"}));
        }
        if self.chance(0.5) {
            properties.insert("ratio".into(), json!({"enum": [0.5, 1.0, 1e300, "ü"], "maximum": 1e301}));
        }
        let mut schema = json!({"type": "object", "title": self.text(), "properties": properties});
        if self.chance(0.5) {
            schema["required"] = json!(["id"]);
        }
        if self.chance(0.2) {
            schema["examples"] = json!([{"id": 5000}]);
        }
        schema
    }

    /// Likewise, as text, in which there may be a null and blanks.
    fn text_schema(&mut self) -> String {
        let mut schema = self.object_schema();
        if self.chance(0.5) {
            schema["default"] = Value::Null;
        }
        if self.chance(0.5) { format!("{schema:#}\n") } else { schema.to_string() }
    }

    fn examples(&mut self) -> Value {
        let number = self.random.random_range(1..4);
        let example = |pair: &mut Self, index: u64| {
            let value = json!({"id": 1000 + index, "when": "2024-02-29", "ratio": 0.5});
            let name = format!("example {index}");
            match pair.chance(0.5) {
                true => json!({"name": name, "value": value}),
                false => json!({"name": name, "text": format!("{value:#}")}),
            }
        };
        (0..number).map(|index| example(self, index)).collect::<Vec<_>>().into()
    }

    fn set_of_endpoint(&mut self, field: &'static str) {
        let value = match field {
            "url" => return self.set_url(),
            "eventTypes" => {
                let mut all = vec![self.event_type_name(), COMMON[0].to_owned(), COMMON[1].to_owned()];
                all.rotate_left(self.random.random_range(0..3));
                all.truncate(self.random.random_range(1..4));
                json!(all)
            }
            "channels" => {
                let all =
                    ["plain", "a.b-c_d", "https://example.org/repo", "zwölf Boxkämpfer ✓", " ", "a:b", "A"];
                json!(self.some(&all))
            }
            "description" => json!(self.text()),
            "throttleRate" => json!(self.pick(&[1, 7, 65_535])),
            "metadata" => {
                let keys = self.some(&["team", "k", "a/b", "ü"]);
                keys.into_iter().map(|key| (key.to_owned(), json!(self.text()))).collect::<Map<_, _>>().into()
            }
            "headers" => self.headers(),
            "signingSecret" => self.signing_secret(),
            "disabled" | "statistics" | "suspend" => json!(self.chance(0.5)),
            "adoption" => json!(self.pick(&["Never", "Match", "Override"])),
            "managementPolicy" => json!(self.pick(&["Manage", "Observe"])),
            "deletionPolicy" => json!(self.pick(&["Delete", "Retain"])),
            other => unreachable!("{other}"),
        };
        self.endpoint = self.endpoint.clone().with(field, value);
    }

    fn set_url(&mut self) {
        let object = self.endpoint.clone().with("url", Value::Null).with("urlFrom", Value::Null);
        self.endpoint = if self.chance(0.4) {
            object.with("urlFrom", self.in_secret("url"))
        } else {
            let token = self.tokens.shown();
            let path = self.pick(&["/", "", "/a%20b/", "/ü"]);
            object.with("url", format!("https://HOOKS.example.org:8443{path}?{token}"))
        };
    }

    fn headers(&mut self) -> Value {
        // Svix shows the first two, and hides the others.
        let names = self.some(&["X-Team", "X-Trace", "Authorization", "X-Api-Key", "x-auth-token"]);
        let header = |pair: &mut Self, name: &str| match pair.chance(0.5) {
            true => json!({"name": name, "value": pair.tokens.shown()}),
            false => {
                let key = pair.pick(&["auth", "team"]);
                json!({"name": name, "valueFrom": pair.in_secret(key)})
            }
        };
        names.into_iter().map(|name| header(self, name)).collect::<Vec<_>>().into()
    }

    fn signing_secret(&mut self) -> Value {
        if self.chance(0.5) {
            let mut signing = json!({"fromSecret": {"name": self.name(), "key": "key"}});
            if self.chance(0.5) {
                signing["gracePeriod"] = json!(self.pick(&["0s", "1h", "168h"]));
            }
            return signing;
        }
        let mut to = json!({"name": format!("{}-{}", self.name(), self.pick(&["one", "two"]))});
        if self.chance(0.3) {
            to["key"] = json!("whsec");
        }
        if self.chance(0.3) {
            to["labels"] = json!({"app": self.pick(&["a", "b"])});
        }
        let mut signing = json!({"toSecret": to});
        if self.chance(0.3) {
            signing["rotateAfter"] = json!("720h");
        }
        signing
    }

    fn in_secret(&self, key: &str) -> Value {
        json!({"secretKeyRef": {"name": self.name(), "key": key}})
    }

    fn change_secret(&mut self, key: &'static str) {
        let value = match key {
            "key" => self.tokens.signing_key(),
            "url" => format!("https://hooks.example.org/{}?{}", self.tokens.hidden(), self.tokens.hidden()),
            "auth" => format!("Bearer {}", self.tokens.hidden()),
            _ => self.tokens.hidden(),
        };
        assert!(tokens::is_marked(&value));
        self.secret.insert(key, value);
    }

    // --- dice

    pub fn chance(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.random_range(0..from.len())]
    }

    pub fn random_index(&mut self, below: usize) -> usize {
        self.random.random_range(0..below)
    }

    pub fn text(&mut self) -> String {
        let text = self.pick(&[
            "plain",
            "",
            "zwölf ü ✓",
            "\"quoted\" \\ back",
            "two\nlines",
            "{{x}}: yes",
            "null",
            "0x1F",
        ]);
        format!("{text}{}", self.random.random_range(0..3))
    }

    /// At least one of them.
    fn some<'a>(&mut self, from: &[&'a str]) -> Vec<&'a str> {
        let first = self.pick(from);
        from.iter().copied().filter(|one| *one == first || self.chance(0.3)).collect()
    }

    fn some_of(&mut self, fields: &[&'static str]) -> Vec<&'static str> {
        fields.iter().copied().filter(|_| self.random.random_bool(0.25)).collect()
    }
}
