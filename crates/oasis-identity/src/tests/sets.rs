//! Tests JWK sets as login services publish them, with the settings that docs/identity.md gives.

use serde::Deserialize;

use super::issuer::Issuer;
use super::samples::{NOW, at};
use crate::claims::Rules;
use crate::keys::Keys;

/// A set, and a token that is signed with one of its keys.
#[derive(Deserialize)]
struct Service {
    name: String,
    /// The number of keys in the set that can verify tokens.
    usable: usize,
    token: String,
    set: serde_json::Value,
}

/// The issuer and the audience of a service.
fn settings(name: &str) -> (&'static str, &'static str) {
    match name {
        "Auth0" => ("https://tenant.eu.auth0.com/", "https://api.example"),
        "Supabase" => ("https://project.supabase.co/auth/v1", "authenticated"),
        "Firebase" => ("https://securetoken.google.com/project", "project"),
        "Keycloak" => ("https://login.example/realms/oasis", "oasis"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_sets_of_login_services_verify_their_tokens() {
    let services: Vec<Service> = serde_json::from_str(include_str!("../../tests/data/sets.json")).unwrap();
    assert_eq!(services.len(), 4);
    for service in services {
        let issuer = Issuer::with(&[]).await;
        issuer.answer("200 OK", "content-type: application/json\r\n", &service.set.to_string());
        let (iss, aud) = settings(&service.name);
        let rules = Rules { issuers: vec![iss.to_owned()], audiences: vec![aud.to_owned()] };
        let keys = Keys { rules, ..issuer.keys() };
        let viewer = keys.identify(&service.token, at(NOW)).await;
        assert_eq!(viewer.map(|viewer| viewer.sub).as_deref(), Ok("alice"), "{}", service.name);
        assert_eq!(keys.jwks.unwrap().keys().len(), service.usable, "{}", service.name);
    }
}
