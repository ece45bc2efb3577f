//! The examples do what they say: each asserts its own outcome.
#![allow(dead_code, reason = "their parts are used by their own `main`")]

#[path = "../examples/own_client_authentication.rs"]
mod own_client_authentication;
#[path = "../examples/own_endpoint.rs"]
mod own_endpoint;
#[path = "../examples/own_extension.rs"]
mod own_extension;
#[path = "../examples/own_grant.rs"]
mod own_grant;
#[path = "../examples/own_resource_policy.rs"]
mod own_resource_policy;
#[path = "../examples/own_token_format.rs"]
mod own_token_format;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[test]
fn a_grant_of_ones_own() -> Outcome {
    own_grant::main()
}

#[test]
fn a_client_authentication_of_ones_own() -> Outcome {
    own_client_authentication::main()
}

#[test]
fn a_token_format_of_ones_own() -> Outcome {
    own_token_format::main()
}

#[test]
fn an_extension_of_ones_own() -> Outcome {
    own_extension::main()
}

#[test]
fn a_resource_policy_of_ones_own() -> Outcome {
    own_resource_policy::main()
}

#[test]
fn an_endpoint_of_ones_own() -> Outcome {
    own_endpoint::main()
}
