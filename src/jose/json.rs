//! Strict JSON: a member that is there twice is an error at every depth. The library beneath bounds the depth.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value without a member that is there twice.
pub(super) struct Strict(pub(super) Value);

/// What a JSON text says. Its bytes are checked to be UTF-8 at once, which takes less time than string by string.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    serde_json::from_str(std::str::from_utf8(json).ok()?).ok()
}

/// Puts the value of a member in its place, once.
pub(super) fn once<T, E: de::Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice()),
    }
}

/// Keeps a member that has no place of its own, once.
pub(super) fn insert<E: de::Error>(members: &mut Map<String, Value>, name: String, value: Value) -> Result<(), E> {
    match members.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(twice()),
    }
}

fn twice<E: de::Error>() -> E {
    E::custom("a member is there twice")
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

/// What numbers look like when some other crate turns on serde_json's `arbitrary_precision`: an object with this member.
const NUMBER: &str = "$serde_json::private::Number";

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if name == NUMBER {
                let digits: String = members.next_value()?;
                return digits.parse::<Number>().map(Value::Number).map_err(de::Error::custom);
            }
            let Strict(value) = members.next_value()?;
            insert(&mut object, name, value)?;
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::MapDeserializer;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_of_arbitrary_precision_is_a_number() {
        let number = MapDeserializer::<_, serde_json::Error>::new([(NUMBER, "1.5")].into_iter());
        assert_eq!(Strict::deserialize(number).unwrap().0, json!(1.5));
    }
}
