//! The JSON Schema (draft 2020-12) of the file.

use crate::file::shape::{RecordShape, Shape};
use serde_json::{Map, Value, json};

/// The JSON Schema of the file. YAML readers of editors take it too.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let Shape::Record { name, keys } = super::root() else { return Value::Null };
    let Value::Object(mut schema) = record(&keys(), &mut definitions) else { return Value::Null };
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(format!("Tidegate configuration ({name})")));
    schema.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(schema)
}

fn value(shape: &Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape {
        Shape::Scalar { schema, .. } => schema.clone(),
        Shape::List(item) => json!({ "type": "array", "items": value(item, definitions) }),
        Shape::OneOrMore(item) => {
            let item = value(item, definitions);
            json!({ "anyOf": [item, { "type": "array", "items": item }] })
        }
        Shape::Named { value: inner, .. } => {
            json!({ "type": "object", "additionalProperties": value(inner, definitions) })
        }
        Shape::Record { name, keys } => {
            if !definitions.contains_key(*name) {
                // Its place is taken first: a record may hold itself.
                definitions.insert((*name).to_owned(), Value::Null);
                let schema = record(&keys(), definitions);
                definitions.insert((*name).to_owned(), schema);
            }
            json!({ "$ref": format!("#/$defs/{name}") })
        }
        Shape::Either(forms) => {
            let forms: Vec<Value> = forms.iter().map(|form| value(form, definitions)).collect();
            json!({ "anyOf": forms })
        }
    }
}

fn record(shape: &RecordShape, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for key in &shape.keys {
        let mut schema = value(&key.shape, definitions);
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), json!(key.doc));
        }
        properties.insert(key.name.to_owned(), schema);
    }
    json!({
        "type": "object",
        "description": shape.doc,
        "properties": properties,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference leads somewhere, and every definition is one.
    fn check_references(value: &Value, definitions: &Map<String, Value>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    let name = reference.trim_start_matches("#/$defs/");
                    assert!(definitions.get(name).is_some_and(Value::is_object), "{reference}");
                }
                object.values().for_each(|value| check_references(value, definitions));
            }
            Value::Array(items) => items.iter().for_each(|value| check_references(value, definitions)),
            _ => {}
        }
    }

    #[test]
    fn references_of_the_schema_lead_somewhere() {
        let schema = schema();
        let definitions = schema["$defs"].as_object().expect("the schema has definitions");
        assert!(definitions.contains_key("Route"));
        check_references(&schema, definitions);
    }

    #[test]
    fn patterns_of_the_schema_are_regular_expressions() {
        fn patterns(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(object) => {
                    for (key, value) in object {
                        if let (true, Value::String(pattern)) = (key == "pattern", value) {
                            found.push(pattern.clone());
                        }
                        patterns(value, found);
                    }
                }
                Value::Array(items) => items.iter().for_each(|value| patterns(value, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        patterns(&schema(), &mut found);
        assert!(found.len() > 10);
        for pattern in found {
            assert!(regex::Regex::new(&pattern).is_ok(), "{pattern}");
        }
    }
}
