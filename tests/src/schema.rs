//! Answers against the API's Swagger 2.0 description, which is Docker's file and not here:
//! `JOCKER_API_DESCRIPTION` names it, as JSON. Without it nothing is checked.
//!
//! With `JOCKER_SCHEMA_REPORT=FILE` every answer that a black-box test reads is checked, and what is
//! wrong is added to the file, a line each.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::OnceLock;

use serde_json::Value;

/// How deep schemas may refer to one another.
const DEPTH: usize = 32;

/// The description of the API.
#[derive(Debug)]
pub struct Description(Value);

/// The description that the environment names, if it does.
pub fn description() -> Option<&'static Description> {
    static DESCRIPTION: OnceLock<Option<Description>> = OnceLock::new();
    let load = || {
        let path = std::env::var_os("JOCKER_API_DESCRIPTION").filter(|path| !path.is_empty())?;
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        Some(Description(serde_json::from_slice(&text).expect("a description in JSON")))
    };
    DESCRIPTION.get_or_init(load).as_ref()
}

/// Checks an answer and adds what is wrong with it to the report, if both are asked for.
pub fn report(asked: &str, status: u16, body: &[u8]) {
    let Some(file) = std::env::var_os("JOCKER_SCHEMA_REPORT") else { return };
    let (Some(description), Some((method, path))) = (description(), asked.split_once(' ')) else {
        return;
    };
    let found = description.violations(method, path, status, body);
    if found.is_empty() {
        return;
    }
    let lines: String = found.iter().map(|each| format!("{each}\n")).collect();
    let file = OpenOptions::new().create(true).append(true).open(file);
    file.and_then(|mut file| file.write_all(lines.as_bytes())).expect("the report is written");
}

impl Description {
    /// What is wrong with an answer, `METHOD /path STATUS .place: what` each. Paths with a version
    /// are left alone: older versions have other shapes.
    pub fn violations(&self, method: &str, path: &str, status: u16, body: &[u8]) -> Vec<String> {
        let path = path.split('?').next().unwrap_or_default();
        let Some((template, operation)) = self.operation(method, path) else { return Vec::new() };
        let prefix = format!("{method} {template} {status}");
        let Some(response) = operation["responses"].get(status.to_string()) else {
            return vec![format!("{prefix}: a status that is not in the description")];
        };
        let schema = &response["schema"];
        let kind = schema["type"].as_str().unwrap_or_default();
        if schema.is_null() || (kind == "string" && schema.get("format").is_some()) {
            return Vec::new();
        }
        let values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
        let mut found = Vec::new();
        for value in values.map_while(Result::ok) {
            self.check(schema, &value, &prefix, DEPTH, &mut found);
        }
        found
    }

    /// The path's template and its operation; templates without a name go first.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let paths = self.0["paths"].as_object()?;
        let mut fitting: Vec<_> =
            paths.iter().filter(|(template, _)| fits(template, path)).collect();
        fitting.sort_by_key(|(template, _)| template.contains('{'));
        let method = method.to_ascii_lowercase();
        fitting
            .into_iter()
            .find_map(|(template, operations)| Some((template.as_str(), operations.get(&method)?)))
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        reference.and_then(|pointer| self.0.pointer(pointer)).unwrap_or(schema)
    }

    fn check(
        &self,
        schema: &Value,
        value: &Value,
        place: &str,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        let schema = self.resolve(schema);
        // Go writes an empty list or map as null; which of them Docker does is the differential tester's matter.
        let may_be_null = schema["x-nullable"] == true
            || ["array", "object"].iter().any(|kind| schema["type"] == *kind);
        if depth == 0 || (value.is_null() && may_be_null) {
            return;
        }
        let mut say = |what: String| found.push(format!("{place}: {what}"));
        if let Some(wanted) = schema["type"].as_str()
            && !is_of_type(wanted, value)
        {
            return say(format!("{} where {wanted} is described", type_of(value)));
        }
        if let Some(known) = schema["enum"].as_array()
            && !known.contains(value)
        {
            say(format!("{value} is none of {}", schema["enum"]));
        }
        match value {
            Value::Object(members) => {
                let known = self.properties(schema, depth);
                for name in self.required(schema, depth) {
                    if !members.contains_key(name) {
                        found.push(format!("{place}.{name}: required and not there"));
                    }
                }
                for (name, member) in members {
                    let rest = &schema["additionalProperties"];
                    let described =
                        known.get(name.as_str()).copied().or(rest.as_object().map(|_| rest));
                    // Names of a map's members say nothing.
                    let part = if known.contains_key(name.as_str()) { name } else { "*" };
                    match described {
                        Some(schema) => {
                            self.check(
                                schema,
                                member,
                                &format!("{place}.{part}"),
                                depth - 1,
                                found,
                            );
                        }
                        None if known.is_empty() || rest == true => {}
                        None => found.push(format!("{place}.{name}: not in the description")),
                    }
                }
            }
            Value::Array(items) if schema.get("items").is_some() => {
                for item in items {
                    self.check(&schema["items"], item, &format!("{place}[]"), depth - 1, found);
                }
            }
            _ => {}
        }
    }

    /// The properties of a schema and of all that it is made of.
    fn properties<'a>(&'a self, schema: &'a Value, depth: usize) -> BTreeMap<&'a str, &'a Value> {
        let mut all = BTreeMap::new();
        if depth > 0 {
            for part in schema["allOf"].as_array().into_iter().flatten() {
                all.extend(self.properties(self.resolve(part), depth - 1));
            }
        }
        let own = schema["properties"].as_object().into_iter().flatten();
        all.extend(own.map(|(name, schema)| (name.as_str(), schema)));
        all
    }

    fn required<'a>(&'a self, schema: &'a Value, depth: usize) -> Vec<&'a str> {
        let parts = schema["allOf"].as_array().into_iter().flatten().filter(|_| depth > 0);
        let inherited = parts.flat_map(|part| self.required(self.resolve(part), depth - 1));
        let own = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        inherited.chain(own).collect()
    }
}

/// Whether a path is one of the template's; a name may hold slashes.
fn fits(template: &str, path: &str) -> bool {
    let Some((head, rest)) = template.split_once('{') else { return template == path };
    let tail = rest.split_once('}').map_or("", |(_, tail)| tail);
    let Some(name) = path.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)) else {
        return false;
    };
    !name.is_empty() && (head.starts_with("/images") || !name.contains('/'))
}

fn is_of_type(wanted: &str, value: &Value) -> bool {
    match wanted {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

/// JSON's name for what a value is.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes_are_checked() {
        let description = Description(json!({
            "definitions": {
                "Base": {"type": "object", "required": ["Id"], "properties": {"Id": {"type": "string"}}},
                "Thing": {"allOf": [{"$ref": "#/definitions/Base"}, {"type": "object", "properties": {
                    "Tags": {"type": "array", "x-nullable": true, "items": {"type": "string"}},
                    "Labels": {"type": "object", "additionalProperties": {"type": "string"}},
                }}]},
            },
            "paths": {"/things/{id}": {"get": {"responses": {"200": {
                "schema": {"$ref": "#/definitions/Thing"}}}}}},
        }));
        let found = |body: Value| {
            description.violations("GET", "/things/x", 200, body.to_string().as_bytes())
        };
        assert_eq!(found(json!({"Id": "a", "Tags": null, "Labels": {"b": "c"}})), [""; 0]);
        let of = "GET /things/{id} 200";
        assert_eq!(
            found(json!({"Tags": [1]})),
            [
                format!("{of}.Id: required and not there"),
                format!("{of}.Tags[]: number where string is described"),
            ]
        );
        assert_eq!(
            found(json!({"Id": "a", "Labels": {"b": 1}, "More": 1})),
            [
                format!("{of}.Labels.*: number where string is described"),
                format!("{of}.More: not in the description"),
            ]
        );
        assert_eq!(description.violations("GET", "/things/x", 404, b"{}").len(), 1);
    }
}
