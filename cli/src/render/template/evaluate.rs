//! Filling in a template.

use serde_json::Value;

use super::{Expression, Node, TemplateError};

/// `.`, `$`, and the variables of the ranges around.
struct Scope<'a> {
    dot: Value,
    root: &'a Value,
    variables: Vec<(String, Value)>,
}

pub(super) fn render(nodes: &[Node], data: &Value) -> Result<String, TemplateError> {
    let mut scope = Scope { dot: data.clone(), root: data, variables: Vec::new() };
    let mut text = String::new();
    scope.render(nodes, &mut text)?;
    Ok(text)
}

fn error<T>(text: impl Into<String>) -> Result<T, TemplateError> {
    Err(TemplateError(text.into()))
}

impl Scope<'_> {
    fn render(&mut self, nodes: &[Node], text: &mut String) -> Result<(), TemplateError> {
        for node in nodes {
            match node {
                Node::Text(plain) => text.push_str(plain),
                Node::Value(expression) => text.push_str(&display(&self.value(expression)?)),
                Node::If(condition, body, otherwise) => {
                    let body = if truth(&self.value(condition)?) { body } else { otherwise };
                    self.render(body, text)?;
                }
                Node::Range(names, list, body, otherwise) => {
                    let items = items(self.value(list)?)?;
                    if items.is_empty() {
                        self.render(otherwise, text)?;
                    }
                    for item in items {
                        self.render_item(names, item, body, text)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn render_item(
        &mut self,
        names: &[String],
        (key, value): (Value, Value),
        body: &[Node],
        text: &mut String,
    ) -> Result<(), TemplateError> {
        let outer = self.variables.len();
        match names {
            [] => {}
            [only] => self.variables.push((only.clone(), value.clone())),
            [first, second, ..] => {
                self.variables.push((first.clone(), key));
                self.variables.push((second.clone(), value.clone()));
            }
        }
        let dot = std::mem::replace(&mut self.dot, value);
        let result = self.render(body, text);
        self.dot = dot;
        self.variables.truncate(outer);
        result
    }

    fn value(&self, expression: &Expression) -> Result<Value, TemplateError> {
        match expression {
            Expression::Literal(value) => Ok(value.clone()),
            Expression::Call(name, arguments) => {
                let arguments: Result<Vec<Value>, TemplateError> =
                    arguments.iter().map(|argument| self.value(argument)).collect();
                call(name, &arguments?)
            }
            Expression::Path(variable, fields) => {
                let start = match variable.as_deref() {
                    None => &self.dot,
                    Some("") => self.root,
                    Some(name) => {
                        let known = self.variables.iter().rev().find(|known| known.0 == name);
                        match known {
                            Some((_, value)) => value,
                            None => return error(format!("undefined variable \"${name}\"")),
                        }
                    }
                };
                fields.iter().try_fold(start.clone(), |value, name| field(&value, name))
            }
        }
    }
}

fn field(value: &Value, name: &str) -> Result<Value, TemplateError> {
    match value {
        Value::Object(members) => match members.get(name) {
            Some(member) => Ok(member.clone()),
            None => error(format!("at <.{name}>: map has no entry for key {name:?}")),
        },
        Value::Null => error(format!("at <.{name}>: nil value has no field {name}")),
        other => error(format!("at <.{name}>: can't evaluate field {name} in {other}")),
    }
}

/// Keys and values of what a range goes over.
fn items(value: Value) -> Result<Vec<(Value, Value)>, TemplateError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => {
            Ok(items.into_iter().enumerate().map(|(at, item)| (at.into(), item)).collect())
        }
        Value::Object(members) => {
            Ok(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
        }
        other => error(format!("range can't iterate over {other}")),
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// As Go's `%v` shows it.
fn display(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(display_inner).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(members) => {
            let member =
                |(key, value): (&String, &Value)| format!("{key}:{}", display_inner(value));
            let members: Vec<String> = members.iter().map(member).collect();
            format!("map[{}]", members.join(" "))
        }
        other => other.to_string(),
    }
}

fn display_inner(value: &Value) -> String {
    if value.is_null() { "<nil>".into() } else { display(value) }
}

/// JSON on one line, with the characters escaped that Go escapes.
fn json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn call(name: &str, arguments: &[Value]) -> Result<Value, TemplateError> {
    let wrong = || error(format!("wrong arguments for {name}"));
    Ok(match (name, arguments) {
        ("json", [value]) => json(value).into(),
        ("upper", [value]) => display(value).to_uppercase().into(),
        ("lower", [value]) => display(value).to_lowercase().into(),
        ("title", [value]) => capitalised(&display(value)).into(),
        ("println", values) => format!("{}\n", joined(values, " ")).into(),
        ("print", values) => joined(values, "").into(),
        ("printf", [Value::String(format), values @ ..]) => printf(format, values).into(),
        ("join", [Value::Array(items), separator]) => joined(items, &display(separator)).into(),
        ("join", [Value::Null, _]) => "".into(),
        ("split", [text, separator]) => {
            let (text, separator) = (display(text), display(separator));
            text.split(&separator).map(Value::from).collect::<Vec<_>>().into()
        }
        ("len", [value]) => match value {
            Value::Null => 0.into(),
            Value::String(text) => text.len().into(),
            Value::Array(items) => items.len().into(),
            Value::Object(members) => members.len().into(),
            _ => return wrong(),
        },
        ("index", [value, keys @ ..]) => {
            keys.iter().fold(value.clone(), |value, key| element(&value, key))
        }
        ("slice", [Value::String(text), Value::Number(from), rest @ ..]) => {
            let from = from.as_u64().unwrap_or(0) as usize;
            let to = rest.first().and_then(Value::as_u64).map_or(text.len(), |to| to as usize);
            match text.get(from..to) {
                Some(part) => part.into(),
                None => return wrong(),
            }
        }
        ("not", [value]) => (!truth(value)).into(),
        ("and", [_, ..]) => first_where(arguments, |value| !truth(value)),
        ("or", [_, ..]) => first_where(arguments, truth),
        ("eq", [value, others @ ..]) => others.contains(value).into(),
        ("ne", [value, other]) => (value != other).into(),
        (
            "json" | "upper" | "lower" | "title" | "join" | "split" | "len" | "index" | "slice",
            _,
        )
        | ("not" | "and" | "or" | "eq" | "ne" | "printf", _) => return wrong(),
        _ => return error(format!("function {name:?} not defined")),
    })
}

fn joined(values: &[Value], separator: &str) -> String {
    values.iter().map(display).collect::<Vec<_>>().join(separator)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// `%s`, `%v`, `%d`, `%q` and `%%`, whatever the width.
fn printf(format: &str, values: &[Value]) -> String {
    let mut text = String::new();
    let mut values = values.iter();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.find(|c| c.is_ascii_alphabetic() || *c == '%') {
            Some('%') | None => text.push('%'),
            Some('q') => text.push_str(
                &values.next().map(|value| format!("{:?}", display(value))).unwrap_or_default(),
            ),
            Some(_) => text.push_str(&values.next().map(display).unwrap_or_default()),
        }
    }
    text
}

fn element(value: &Value, key: &Value) -> Value {
    let found = match (value, key) {
        (Value::Array(items), Value::Number(at)) => {
            at.as_u64().and_then(|at| items.get(at as usize))
        }
        (Value::Object(members), Value::String(name)) => members.get(name),
        _ => None,
    };
    found.cloned().unwrap_or(Value::Null)
}

/// The first value that `stops` says of, else the last one.
fn first_where(values: &[Value], stops: impl Fn(&Value) -> bool) -> Value {
    let found = values.iter().find(|value| stops(value)).or(values.last());
    found.cloned().unwrap_or(Value::Null)
}
