//! JSON Web Token (RFC 7519): the claims set is read strictly.
#![cfg(feature = "jose")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use grantwell::Timestamp;
use grantwell::jose::JwtClaims;
use serde_json::json;

fn parse(claims: &str) -> Option<JwtClaims> {
    JwtClaims::parse(claims.as_bytes()).ok()
}

#[test]
fn the_example_of_section_3_1() {
    let claims = parse("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}").unwrap();
    assert_eq!(claims.iss.as_deref(), Some("joe"));
    assert_eq!(claims.exp, Some(Timestamp::from_unix(1_300_819_380)));
    assert_eq!(claims.other["http://example.com/is_root"], json!(true));
    assert!(claims.sub.is_none() && claims.aud.is_empty() && claims.nbf.is_none() && claims.iat.is_none());
}

#[test]
fn every_claim_has_its_place() {
    let other =
        json!({ "client_id": "c", "scope": "a b", "cnf": { "jkt": "x" }, "n": [1, -2, 3.5, null, true, "é\"\\"] });
    let mut all = json!({ "iss": "i", "sub": "s", "aud": ["a", "b"], "exp": 3, "nbf": 2, "iat": 1, "jti": "j" });
    all.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    let claims = parse(&all.to_string()).unwrap();
    let texts = [&claims.iss, &claims.sub, &claims.jti].map(|text| text.as_deref().unwrap());
    assert_eq!(texts, ["i", "s", "j"]);
    assert_eq!([claims.exp, claims.nbf, claims.iat].map(|date| date.unwrap().as_unix()), [3, 2, 1]);
    assert_eq!(claims.aud, ["a", "b"]);
    assert_eq!(json!(claims.other), other);
}

#[test]
fn an_audience_is_a_string_or_an_array_of_strings() {
    for (aud, read) in [(r#""a""#, vec!["a"]), (r#"["a","b"]"#, vec!["a", "b"]), ("[]", vec![]), (r#""""#, vec![""])] {
        assert_eq!(parse(&format!(r#"{{"aud":{aud}}}"#)).unwrap().aud, read, "{aud}");
    }
    for bad in ["1", "null", "true", "{}", r#"["a",1]"#, r#"[["a"]]"#, r#"{"a":"b"}"#, "[null]"] {
        assert_eq!(parse(&format!(r#"{{"aud":{bad}}}"#)), None, "{bad}");
    }
}

#[test]
fn a_date_is_a_number_of_seconds_that_can_be_told_exactly() {
    let good =
        [("0", 0), ("1.9", 1), ("1e9", 1_000_000_000), ("9007199254740991", 9_007_199_254_740_991), ("0.5e1", 5)];
    let bad = [
        r#""1""#,
        r#""2030-01-01T00:00:00Z""#,
        "-1",
        "-0.5",
        "1e400",
        "-1e400",
        "9007199254740992",
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551616",
        "1e300",
        "NaN",
        "Infinity",
        "null",
        "true",
        "[1]",
        r#"{"a":1}"#,
        "0x10",
        "+1",
        "1.",
        "01",
    ];
    for name in ["exp", "nbf", "iat"] {
        for (number, seconds) in good {
            let claims = parse(&format!(r#"{{"{name}":{number}}}"#)).unwrap();
            assert_eq!(claims.exp.or(claims.nbf).or(claims.iat), Some(Timestamp::from_unix(seconds)), "{number}");
        }
        for number in bad {
            assert_eq!(parse(&format!(r#"{{"{name}":{number}}}"#)), None, "{name} {number}");
        }
    }
}

#[test]
fn names_are_text() {
    for name in ["iss", "sub", "jti"] {
        for bad in ["1", "null", "true", "[]", r#"["a"]"#, "{}"] {
            assert_eq!(parse(&format!(r#"{{"{name}":{bad}}}"#)), None, "{name} {bad}");
        }
    }
}

#[test]
fn a_member_that_is_there_twice_is_refused_at_every_depth() {
    for twice in [
        r#"{"sub":"a","sub":"a"}"#,
        r#"{"exp":1,"iat":1,"exp":1}"#,
        r#"{"aud":"a","aud":[]}"#,
        r#"{"aud":[],"aud":[]}"#,
        r#"{"sub":"a","\u0073ub":"b"}"#,
        r#"{"scope":"a","scope":"b"}"#,
        r#"{"cnf":{"jkt":"a","jkt":"b"}}"#,
        r#"{"a":[{"b":[{"c":1,"d":2,"c":1}]}]}"#,
    ] {
        assert_eq!(parse(twice), None, "{twice}");
    }
    assert!(parse(r#"{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}"#).is_some());
}

#[test]
fn only_an_object_is_a_claims_set() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(6000), "]".repeat(6000));
    for bad in
        ["", " ", "null", "[]", "1", r#""a""#, "{", "{}{}", "{} x", "\u{feff}{}", r#"{"a":1,}"#, "{'a':1}", &deep]
    {
        assert_eq!(parse(bad), None, "{bad}");
    }
    assert!(JwtClaims::parse(b"{\"sub\":\"\xff\"}").is_err());
    assert!(JwtClaims::parse(br#"{"sub":"\ud800"}"#).is_err());
    assert_eq!(parse(" {\r\n} "), Some(JwtClaims::default()));
}
