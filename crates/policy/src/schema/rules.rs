//! What keys of one record say of each other, for the JSON Schema. The same is checked with places and advice as the
//! model is made; here it is only told to editors, as near as a schema can say it.

use serde_json::{Value, json};

/// The rules of a record by its name; null if there are none.
pub(super) fn rules(record: &str) -> Value {
    match record {
        "File" => json!({ "properties": { "listeners": filled() } }),
        "Server" => required(&["address"]),
        "Listener" => json!({
            "required": ["address"],
            "properties": { "protocols": { "minItems": 1, "uniqueItems": true } },
        }),
        "Certificate" => required(&["cert", "key"]),
        "PathRegex" => required(&["regex"]),
        "Pool" => pool(),
        "Sticky" => sticky(),
        "Health" => health(),
        "Site" => json!({
            "oneOf": [required(&["to"]), required(&["routes"])],
            "properties": { "routes": filled(), "listeners": filled() },
        }),
        "Route" => json!({
            "required": ["to"],
            "properties": { "method": filled(), "client": filled() },
        }),
        "ValueMatch" => json!({ "minProperties": 1, "maxProperties": 1, "properties": { "in": filled() } }),
        "Target" => target(),
        "ErrorPage" => json!({
            "minProperties": 1,
            "not": { "anyOf": [required(&["html", "html_file"]), required(&["json", "json_file"])] },
        }),
        "Test" => test(),
        _ => Value::Null,
    }
}

/// Records that pools take over with `like`, in which `null` clears.
pub(super) fn takes_null(record: &str) -> bool {
    matches!(record, "Pool" | "Sticky" | "Health" | "PoolTimeouts" | "ServerTls")
}

fn required(keys: &[&str]) -> Value {
    json!({ "required": keys })
}

fn any_of(keys: &[&str]) -> Value {
    json!({ "anyOf": keys.iter().map(|key| required(&[key])).collect::<Vec<_>>() })
}

/// A list, if it is one, has something in it.
fn filled() -> Value {
    json!({ "minItems": 1 })
}

/// What is not taken over from another pool is whole.
fn pool() -> Value {
    let with_one_of = |keys: &[&str]| json!({ "anyOf": [{ "type": "string" }, { "allOf": [{ "type": "object" }, any_of(keys)] }] });
    let whole = json!({
        "required": ["servers"],
        "additionalProperties": { "not": { "type": "null" } },
        "properties": {
            "sticky": with_one_of(&["cookie", "by"]),
            "health": with_one_of(&["path", "tcp", "grpc"]),
            "tls": { "dependentRequired": { "cert": ["key"], "key": ["cert"] } },
        },
        "not": { "anyOf": [
            { "required": ["protocol", "tls"], "properties": { "protocol": { "const": "h2c" }, "tls": { "not": { "const": false } } } },
            { "required": ["protocol", "tls"], "properties": { "protocol": { "const": "h2" }, "tls": { "const": false } } },
            { "allOf": [asks_by_grpc(), { "not": { "required": ["protocol"], "properties": { "protocol": { "not": { "const": "h1" } } } } }] },
        ] },
    });
    json!({ "anyOf": [required(&["like"]), whole], "properties": { "servers": filled() } })
}

/// A pool whose servers are asked by gRPC.
fn asks_by_grpc() -> Value {
    let by_grpc = json!({ "anyOf": [
        { "const": "grpc" },
        { "type": "object", "required": ["grpc"], "properties": { "grpc": { "not": { "const": false } } } },
    ] });
    json!({ "required": ["health"], "properties": { "health": by_grpc } })
}

fn sticky() -> Value {
    let of_a_cookie = any_of(&["cookie", "path", "domain", "secure", "http_only", "same_site"]);
    json!({ "not": { "anyOf": [
        { "allOf": [required(&["by"]), of_a_cookie] },
        required(&["cookie", "max"]),
    ] } })
}

fn health() -> Value {
    let is = |key: &str, value: Value| json!({ "required": [key], "properties": { key: value } });
    let off = |key: &str| is(key, json!({ "const": false }));
    let connects = is("tcp", json!({ "const": true }));
    let by_grpc = is("grpc", json!({ "not": { "enum": [false, null] } }));
    json!({
        "not": { "anyOf": [
            { "allOf": [connects, any_of(&["path", "expect", "host"])] },
            { "allOf": [by_grpc, { "anyOf": [any_of(&["path", "expect"]), connects] }] },
        ] },
        "properties": { "expect": filled() },
        "anyOf": [
            { "not": { "anyOf": [off("tcp"), off("grpc")] } },
            any_of(&["path"]),
            connects,
            by_grpc,
        ],
    })
}

fn target() -> Value {
    let statuses = [301, 302, 303, 307, 308];
    json!({ "oneOf": [
        { "required": ["split"], "maxProperties": 1 },
        {
            "required": ["redirect"],
            "not": any_of(&["split", "body", "headers"]),
            "properties": { "status": { "anyOf": [{ "enum": statuses }, { "type": "string" }] } },
        },
        { "required": ["status"], "not": any_of(&["split", "redirect"]) },
    ] })
}

/// Methods that a test may begin with; others are keys without a name here.
pub(super) const METHODS: [&str; 9] =
    ["get", "head", "post", "put", "patch", "delete", "options", "trace", "connect"];

fn test() -> Value {
    let mut one: Vec<Value> = METHODS.iter().map(|method| required(&[method])).collect();
    one.push(json!({ "not": any_of(&METHODS) }));
    json!({
        "allOf": [
            any_of(&["to", "server", "site", "route", "status", "expect_headers", "sticky"]),
            // At most one of the common methods, and some key that is none of the others.
            { "oneOf": one },
            { "not": { "propertyNames": { "enum": crate::file::raw::TEST_KEYS } } },
        ],
        "propertyNames": { "pattern": "^[a-z_-]+$" },
        // Any other method.
        "additionalProperties": { "type": "string", "pattern": "^https?://" },
    })
}
