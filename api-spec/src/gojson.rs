//! Reading JSON as Docker's clients are used to: field names match in any case, `null` means "not given" for every
//! type, unknown fields are ignored, the last of two equal names wins. Writing needs nothing special.
//!
//! The rules are those of Go's `encoding/json`, which every Docker client was tested against.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor,
};
use serde_json::{Error, Value};

/// Reads `bytes` as one JSON document of type `T`.
///
/// # Errors
/// A syntax error, a value of the wrong type, or anything but white space after the document.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    from_value(serde_json::from_slice(bytes)?)
}

/// Reads a parsed document as `T`.
///
/// # Errors
/// A value of the wrong type.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Lenient(value))
}

/// Takes the member `name` (in any case) out of an object; `null` and absence are the same.
pub(crate) fn take(value: &mut Value, name: &str) -> Option<Value> {
    let object = value.as_object_mut()?;
    let key = match object.contains_key(name) {
        true => name.to_owned(),
        false => object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone(),
    };
    object.remove(&key).filter(|member| !member.is_null())
}

struct Lenient(Value);

impl<'de> IntoDeserializer<'de, Error> for Lenient {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The members of `object` under the names that `fields` spells, without nulls and unknown names.
fn canonical(
    object: serde_json::Map<String, Value>,
    fields: &'static [&'static str],
) -> Vec<(&'static str, Lenient)> {
    let mut members: Vec<(&'static str, Lenient)> = Vec::with_capacity(object.len());
    for (key, value) in object {
        if value.is_null() {
            continue;
        }
        let exact = fields.iter().find(|field| **field == key);
        let any_case = || fields.iter().find(|field| field.eq_ignore_ascii_case(&key));
        let Some(field) = exact.or_else(any_case).copied() else {
            continue;
        };
        match members.iter_mut().find(|member| member.0 == field) {
            Some(member) => member.1 = Lenient(value),
            None => members.push((field, Lenient(value))),
        }
    }
    members
}

macro_rules! null_is {
    ($($method:ident => $visit:ident($zero:expr);)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0 {
                Value::Null => visitor.$visit($zero),
                value => value.$method(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Lenient {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Lenient)))
            }
            Value::Object(members) => visitor.visit_map(MapDeserializer::new(
                members.into_iter().map(|(key, value)| (key, Lenient(value))),
            )),
            scalar => scalar.deserialize_any(visitor),
        }
    }

    null_is! {
        deserialize_bool => visit_bool(false);
        deserialize_i8 => visit_i8(0);
        deserialize_i16 => visit_i16(0);
        deserialize_i32 => visit_i32(0);
        deserialize_i64 => visit_i64(0);
        deserialize_u8 => visit_u8(0);
        deserialize_u16 => visit_u16(0);
        deserialize_u32 => visit_u32(0);
        deserialize_u64 => visit_u64(0);
        deserialize_f32 => visit_f32(0.0);
        deserialize_f64 => visit_f64(0.0);
        deserialize_str => visit_str("");
        deserialize_string => visit_str("");
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            value => visitor.visit_some(Self(value)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => Self(Value::Array(Vec::new())).deserialize_any(visitor),
            value => Self(value).deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => Self(Value::Object(serde_json::Map::new())).deserialize_any(visitor),
            value => Self(value).deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(object) => {
                visitor.visit_map(MapDeserializer::new(canonical(object, fields).into_iter()))
            }
            Value::Null => self.deserialize_map(visitor),
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, rename_all = "PascalCase")]
    struct Inner {
        name: String,
        size: i64,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, rename_all = "PascalCase")]
    struct Outer {
        image: String,
        list: Vec<String>,
        maybe: Option<Vec<String>>,
        labels: BTreeMap<String, String>,
        inner: Inner,
        flag: bool,
    }

    #[test]
    fn nulls_are_as_if_absent() {
        let read: Outer = from_value(json!({
            "Image": null, "List": null, "Maybe": null, "Labels": null, "Inner": null, "Flag": null
        }))
        .unwrap();
        assert_eq!(read, Outer::default());
        let read: Outer = from_value(json!({"List": ["a", null]})).unwrap();
        assert_eq!(read.list, ["a", ""]);
    }

    #[test]
    fn names_match_in_any_case_but_map_keys_stay() {
        let read: Outer = from_value(json!({
            "image": "x", "INNER": {"nAME": "n", "size": 3}, "labels": {"Ab": "c"}, "unknown": [1]
        }))
        .unwrap();
        assert_eq!(read.image, "x");
        assert_eq!(read.inner, Inner { name: "n".into(), size: 3 });
        assert_eq!(read.labels["Ab"], "c");
    }

    #[test]
    fn wrong_types_and_trailing_content_are_errors() {
        assert!(from_slice::<Outer>(br#"{"Image": 5}"#).is_err());
        assert!(from_slice::<Outer>(br#"{"Inner": []}"#).is_err());
        assert!(from_slice::<Outer>(b"{} {}").is_err());
        assert!(from_slice::<Outer>(b"").is_err());
    }
}
