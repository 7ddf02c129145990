//! The JSON Schema (draft 2020-12) of the file.

use super::rules;
use crate::file::shape::{RecordShape, Shape};
use serde_json::{Map, Value, json};

/// The JSON Schema of the file. YAML readers of editors take it too.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let Shape::Record { name, keys } = super::root() else { return Value::Null };
    let Value::Object(mut schema) = record(name, &keys(), &mut definitions) else { return Value::Null };
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(format!("Tidegate configuration ({name})")));
    schema.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(schema)
}

fn value(shape: &Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape {
        Shape::Scalar { schema, .. } => or_variable(schema, definitions),
        Shape::List(item) => json!({ "type": "array", "items": value(item, definitions) }),
        Shape::OneOrMore(item) => {
            let item = value(item, definitions);
            json!({ "anyOf": [item, { "type": "array", "items": item }] })
        }
        Shape::Named { rules, value: inner, .. } => {
            let inner = value(inner, definitions);
            with(json!({ "type": "object", "additionalProperties": inner }), rules)
        }
        Shape::Record { name, keys } => {
            if !definitions.contains_key(*name) {
                // Its place is taken first: a record may hold itself.
                definitions.insert((*name).to_owned(), Value::Null);
                let schema = record(name, &keys(), definitions);
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

/// A scalar, or a variable that becomes one. (Where any text goes there is nothing to add.)
fn or_variable(schema: &Value, definitions: &mut Map<String, Value>) -> Value {
    let any_text = match &schema["type"] {
        Value::Array(types) => types.contains(&json!("string")),
        kind => kind == "string" && schema.get("pattern").is_none(),
    };
    if any_text {
        return schema.clone();
    }
    definitions.entry("Variable").or_insert_with(|| {
        json!({
            "type": "string",
            "pattern": "\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}",
            "description": "With an environment variable in it, whose value makes it what is expected here.",
        })
    });
    let mut forms = match &schema["anyOf"] {
        Value::Array(forms) => forms.clone(),
        _ => vec![schema.clone()],
    };
    forms.push(json!({ "$ref": "#/$defs/Variable" }));
    json!({ "anyOf": forms })
}

/// A schema with more keywords; where it has one of them already, both hold.
fn with(mut schema: Value, more: &Value) -> Value {
    let (Value::Object(all), Value::Object(more)) = (&mut schema, more) else { return schema };
    let mut besides = Map::new();
    for (keyword, rule) in more {
        // These two are read together: what one names the other leaves alone.
        let apart = keyword == "properties" || all.contains_key(keyword) && keyword != "additionalProperties";
        if apart {
            besides.insert(keyword.clone(), rule.clone());
        } else {
            all.insert(keyword.clone(), rule.clone());
        }
    }
    if !besides.is_empty()
        && let Value::Array(list) = all.entry("allOf").or_insert_with(|| json!([]))
    {
        list.push(besides.into());
    }
    schema
}

fn record(name: &str, shape: &RecordShape, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for key in &shape.keys {
        let mut schema = value(&key.shape, definitions);
        if rules::takes_null(name) {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), json!(key.doc));
        }
        properties.insert(key.name.to_owned(), schema);
    }
    let schema = json!({
        "type": "object",
        "description": shape.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    with(schema, &rules::rules(name))
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
