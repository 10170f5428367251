//! What a token costs: the check of its signature alone, the whole of a token that is seen for the first time, and one that
//! is remembered.
//!
//! `cargo bench --profile dist --bench tokens`
//!
//! Times are the least of many rounds that take turns. With `-- remembered TIMES` or `-- nothing TIMES` it does only that,
//! so that instructions can be counted: `valgrind --tool=callgrind`, as the difference of two runs.

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]
#![allow(clippy::disallowed_types, reason = "real time is what is measured")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::json;
use transom::call::{Dialect, Origin};
use transom::policy::claims::Mapping;
use transom::policy::jwt::algorithm::Algorithm;
use transom::policy::jwt::keys::KeySet;
use transom::policy::jwt::source::Source;
use transom::policy::jwt::{Issuer, Jwt, Settings};
use transom::policy::verify::{Verdict, Verifier};

const ROUNDS: usize = 300;
const BATCH: usize = 50;

/// A token, its signature, and the key for it.
struct Made {
    token: String,
    signature: Vec<u8>,
    key: ParsedPublicKey,
    source: Arc<Source>,
}

fn main() {
    let made = make();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {}", made.token).parse().unwrap());
    let mut origin = Origin::new(Dialect::Rest, "/".into());
    origin.headers = Some(Arc::new(headers));
    let remembered = verifier(&made);
    ask(&remembered, &origin);
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [what, times] = &*arguments {
        for _ in 0..times.parse::<usize>().unwrap() {
            if what == "remembered" {
                ask(&remembered, &origin);
            }
            black_box(&origin);
        }
        return;
    }
    let signed = &made.token.as_bytes()[..made.token.rfind('.').unwrap()];
    let mut least = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let fresh: Vec<_> = (0..BATCH).map(|_| verifier(&made)).collect();
        let times = [
            time(|_| made.key.verify_sig(black_box(signed), &made.signature).unwrap()),
            time(|index| ask(&fresh[index], &origin)),
            time(|_| ask(&remembered, &origin)),
        ];
        for (least, time) in least.iter_mut().zip(times) {
            *least = time.min(*least);
        }
    }
    let [bare, first, again] = least.map(|time| time.as_secs_f64() * 1e6 / BATCH as f64);
    println!("a token of {} bytes, ES256", made.token.len());
    println!("the signature alone   {bare:.2} us");
    println!("seen for the first time  {first:.2} us, {:.2} of it", first / bare);
    println!("remembered  {again:.3} us");
}

fn time(mut work: impl FnMut(usize)) -> Duration {
    let start = Instant::now();
    (0..BATCH).for_each(&mut work);
    start.elapsed()
}

fn ask(verifier: &Jwt, origin: &Origin) {
    assert!(matches!(verifier.verify(black_box(origin)), Verdict::Known(_)));
}

/// One that has seen no token yet.
fn verifier(made: &Made) -> Jwt {
    let settings = Settings {
        issuer: "https://id.example".into(),
        audience: vec!["shop".into()],
        algorithms: vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
        types: Vec::new(),
        leeway: Duration::from_secs(30),
        mapping: Mapping { roles: "realm_access.roles".into(), owner: None, plan: None },
    };
    Jwt(Arc::new(Issuer::new(settings, Arc::clone(&made.source))))
}

fn make() -> Made {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let header = json!({"alg": "ES256", "kid": "2026-11", "typ": "at+jwt"});
    let claims = json!({"iss": "https://id.example", "aud": ["shop", "account"], "exp": now + 3600, "iat": now,
        "sub": "0f6b1d5e-8a7f-4a52-9d0e-3f1c2b7a9e10", "azp": "web", "scope": "openid profile email",
        "realm_access": {"roles": ["buyer", "offline_access"]}, "preferred_username": "alice", "email_verified": true});
    let text = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec();
    let point = pair.public_key().as_ref();
    let [x, y] = [&point[1..33], &point[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
    let set =
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "kid": "2026-11", "x": x, "y": y}]});
    Made {
        token: format!("{text}.{}", URL_SAFE_NO_PAD.encode(&signature)),
        signature,
        key: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap(),
        source: Arc::new(Source::fixed("main", KeySet::parse(set.to_string().as_bytes()).unwrap())),
    }
}
