//! Tokens that are good, and every way in which they are not. The vectors are those of RFC 7515 appendix A and RFC 8037
//! appendix A; the other tokens are signed here.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::keys::KeySet;
use super::*;

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Keys of an issuer, with their public parts.
struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let curve = |algorithm: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::generate(algorithm).unwrap();
    Keys {
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        p256: curve(&ECDSA_P256_SHA256_FIXED_SIGNING),
        p384: curve(&ECDSA_P384_SHA384_FIXED_SIGNING),
        ed25519: Ed25519KeyPair::generate().unwrap(),
    }
});

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

impl Keys {
    fn public(&self, algorithm: Algorithm) -> Value {
        let point = |pair: &EcdsaKeyPair, curve: &str, size: usize| {
            let point = pair.public_key().as_ref();
            json!({"kty": "EC", "crv": curve, "x": base64(&point[1..=size]), "y": base64(&point[size + 1..])})
        };
        match algorithm {
            Algorithm::Es256 => point(&self.p256, "P-256", 32),
            Algorithm::Es384 => point(&self.p384, "P-384", 48),
            Algorithm::EdDsa => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(self.ed25519.public_key())})
            }
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                json!({"kty": "oct", "k": base64(SECRET)})
            }
            _ => {
                // RFC 8017 appendix A.1.1: a sequence of the modulus, here 256 bytes behind a zero, and 65537.
                let der = self.rsa.public_key().as_ref();
                let end = der.len() - 5;
                json!({"kty": "RSA", "n": base64(&der[end - 256..end]), "e": base64(&der[end + 2..])})
            }
        }
    }

    fn sign(&self, algorithm: Algorithm, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |padding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(padding, &random, text, &mut signature).unwrap();
            signature
        };
        match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Rs384 => rsa(&RSA_PKCS1_SHA384),
            Algorithm::Rs512 => rsa(&RSA_PKCS1_SHA512),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            Algorithm::Ps384 => rsa(&RSA_PSS_SHA384),
            Algorithm::Ps512 => rsa(&RSA_PSS_SHA512),
            Algorithm::Es256 => self.p256.sign(&random, text).unwrap().as_ref().to_vec(),
            Algorithm::Es384 => self.p384.sign(&random, text).unwrap().as_ref().to_vec(),
            Algorithm::EdDsa => self.ed25519.sign(text).as_ref().to_vec(),
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                hmac::sign(&hmac::Key::new(algorithm.secret().unwrap().0, SECRET), text).as_ref().to_vec()
            }
        }
    }

    fn token(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let signature = self.sign(algorithm, text.as_bytes());
        format!("{text}.{}", base64(signature))
    }
}

fn with(value: &Value, more: &Value) -> Value {
    let mut value = value.clone();
    let object = value.as_object_mut().unwrap();
    for (name, more) in more.as_object().unwrap() {
        if more == "remove" {
            object.remove(name);
        } else {
            object.insert(name.clone(), more.clone());
        }
    }
    value
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": "https://id", "aud": ["shop"], "sub": "u1", "exp": now() + 300, "nbf": now() - 1, "iat": now() - 1,
        "roles": ["buyer"], "scope": "read write"})
}

fn settings() -> Settings {
    Settings {
        issuer: "https://id".into(),
        audience: vec!["shop".into()],
        algorithms: Algorithm::ALL.to_vec(),
        types: Vec::new(),
        leeway: Duration::from_secs(30),
        mapping: Mapping { roles: "roles".into(), owner: None, plan: None },
    }
}

fn issuer(settings: Settings, set: KeySet) -> Arc<Issuer> {
    Arc::new(Issuer::new(settings, Arc::new(Source::fixed("main", set))))
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

async fn verdict(issuer: &Arc<Issuer>, token: &str) -> Result<Arc<Identity>, Reason> {
    let verdict = match issuer.check(token.as_bytes()) {
        Verdict::Later(later) => later.await,
        verdict => verdict,
    };
    match verdict {
        Verdict::Known(identity) => Ok(identity),
        Verdict::Refused(reason) => Err(reason),
        other => panic!("{other:?}"),
    }
}

/// The set of all public keys, each under the name of its algorithm.
fn everything() -> KeySet {
    let all = Algorithm::ALL.iter().filter(|algorithm| algorithm.secret().is_none());
    let all =
        all.map(|own| with(&KEYS.public(*own), &json!({"kid": own.name(), "alg": own.name(), "use": "sig"})));
    set(&all.collect::<Vec<_>>())
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_good_and_only_with_their_own() {
    let asymmetric = issuer(settings(), everything());
    let shared = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];
    let secret = issuer(settings(), KeySet::secret(SECRET, &shared));
    for algorithm in Algorithm::ALL {
        let header = json!({"alg": algorithm.name(), "kid": algorithm.name(), "typ": "JWT"});
        let token = KEYS.token(algorithm, &header, &claims());
        let (own, other) =
            if shared.contains(&algorithm) { (&secret, &asymmetric) } else { (&asymmetric, &secret) };
        for _ in 0..2 {
            let identity = verdict(own, &token).await.unwrap();
            assert_eq!(&*identity.principal, "u1", "{algorithm:?}");
            assert!(identity.expires.is_some_and(|expires| expires > SystemTime::now()));
        }
        assert_eq!(verdict(other, &token).await, Err(Reason::Invalid), "{algorithm:?}");
        // Every other algorithm than the one that it was signed by.
        for named in Algorithm::ALL.into_iter().filter(|named| *named != algorithm) {
            for kid in [algorithm, named] {
                let header = json!({"alg": named.name(), "kid": kid.name()});
                let token = KEYS.token(algorithm, &header, &claims());
                let found = verdict(own, &token).await;
                assert_eq!(found, Err(Reason::Invalid), "{algorithm:?} as {named:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_token_says_must_be_right() {
    let issuer = issuer(settings(), everything());
    let header = json!({"alg": "ES256", "kid": "ES256"});
    let (good, invalid, expired) = (None, Some(Reason::Invalid), Some(Reason::Expired));
    for (more, expected) in [
        (json!({}), good),
        (json!({"aud": "shop"}), good),
        (json!({"aud": ["other", "shop"]}), good),
        (json!({"aud": "other"}), invalid),
        (json!({"aud": "remove"}), invalid),
        (json!({"aud": ["shop", 1]}), invalid),
        (json!({"iss": "https://id/"}), invalid),
        (json!({"iss": "remove"}), invalid),
        (json!({"iss": ["https://id"]}), invalid),
        (json!({"sub": "remove"}), invalid),
        (json!({"sub": 7}), invalid),
        (json!({"sub": ""}), invalid),
        (json!({"exp": now() - 20}), good),
        (json!({"exp": now() - 31}), expired),
        (json!({"exp": -1}), expired),
        (json!({"exp": 0.5}), expired),
        (json!({"exp": 1e300}), good),
        (json!({"exp": "remove"}), invalid),
        (json!({"exp": "2999"}), invalid),
        (json!({"exp": null}), invalid),
        (json!({"nbf": now() + 20}), good),
        (json!({"nbf": now() + 60}), invalid),
        (json!({"nbf": "soon"}), invalid),
        (json!({"nbf": "remove", "iat": "remove"}), good),
        (json!({"iat": now() + 20}), good),
        (json!({"iat": now() + 3600}), invalid),
        (json!({"iat": []}), invalid),
    ] {
        let token = KEYS.token(Algorithm::Es256, &header, &with(&claims(), &more));
        assert_eq!(verdict(&issuer, &token).await.err(), expected, "{more}");
    }
    let any = self::issuer(Settings { audience: vec!["*".into()], ..settings() }, everything());
    let token = KEYS.token(Algorithm::Es256, &header, &with(&claims(), &json!({"aud": "remove"})));
    assert!(verdict(&any, &token).await.is_ok());
}

#[tokio::test]
async fn what_a_header_says_must_be_right() {
    let issuer = issuer(settings(), everything());
    let (good, invalid) = (None, Some(Reason::Invalid));
    for (more, expected) in [
        (json!({}), good),
        (json!({"typ": "JWT"}), good),
        (json!({"typ": "at+jwt"}), good),
        (json!({"typ": "application/AT+JWT"}), good),
        (json!({"typ": "logout+jwt"}), invalid),
        (json!({"typ": 1}), invalid),
        (json!({"kid": "remove"}), good),
        (json!({"kid": "RS256"}), invalid),
        (json!({"kid": "../../../../dev/null"}), invalid),
        (json!({"kid": "x' UNION SELECT 'secret'; --"}), invalid),
        (json!({"kid": ["ES256"]}), invalid),
        (json!({"kid": "k".repeat(600)}), invalid),
        (json!({"crit": ["exp"]}), invalid),
        (json!({"crit": []}), invalid),
        (json!({"crit": ["b64"], "b64": false}), invalid),
        (json!({"alg": "none"}), invalid),
        (json!({"alg": "None"}), invalid),
        (json!({"alg": "es256"}), invalid),
        (json!({"alg": ""}), invalid),
        (json!({"alg": "remove"}), invalid),
        (json!({"alg": ["ES256"]}), invalid),
        // Where its key is said to be is not looked at.
        (
            json!({"jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/", "jwk": KEYS.public(Algorithm::Rs256)}),
            good,
        ),
    ] {
        let header = with(&json!({"alg": "ES256", "kid": "ES256"}), &more);
        let token = KEYS.token(Algorithm::Es256, &header, &claims());
        assert_eq!(verdict(&issuer, &token).await.err(), expected, "{more}");
    }
    let strict = self::issuer(Settings { types: vec!["at+jwt".into()], ..settings() }, everything());
    for (typ, expected) in
        [(json!({"typ": "AT+jwt"}), good), (json!({}), invalid), (json!({"typ": "JWT"}), invalid)]
    {
        let token = KEYS.token(Algorithm::Es256, &with(&json!({"alg": "ES256"}), &typ), &claims());
        assert_eq!(verdict(&strict, &token).await.err(), expected, "{typ}");
    }
    let narrow = Settings { algorithms: vec![Algorithm::Rs256], ..settings() };
    let token = KEYS.token(Algorithm::Es256, &json!({"alg": "ES256"}), &claims());
    assert_eq!(verdict(&self::issuer(narrow, everything()), &token).await, Err(Reason::Invalid));
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let issuer = issuer(settings(), everything());
    let good = KEYS.token(Algorithm::Es256, &json!({"alg": "ES256"}), &claims());
    let [header, body, signature] = *good.split('.').collect::<Vec<_>>() else { panic!("{good}") };
    let twice = base64(format!("{{\"sub\":\"admin\",{}", &claims().to_string()[1..]));
    let twice = format!("{header}.{twice}");
    let twice = format!("{twice}.{}", base64(KEYS.sign(Algorithm::Es256, twice.as_bytes())));
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{header}.{body}"),
        format!("{header}.{body}."),
        format!("{good}."),
        format!("{good}.{good}"),
        format!("{good}="),
        format!(" {good}"),
        format!("{header}=.{body}.{signature}"),
        format!("{header}.{}.{signature}", body.replace(char::is_lowercase, "A")),
        format!("{header}.{body}.{}", &signature[..signature.len() - 2]),
        format!("{}.{body}.{signature}", base64("[]")),
        format!("{}.{body}.{signature}", base64("{\"alg\":\"none\",\"alg\":\"ES256\"}")),
        format!("{}.{body}.", base64("{\"alg\":\"none\"}")),
        twice,
        "a".repeat(9000),
        format!("{header}.{}.{signature}", "A".repeat(1_000_000)),
        "\u{fc}.\u{fc}.\u{fc}".into(),
    ] {
        let shown: String = token.chars().take(80).collect();
        assert_eq!(verdict(&issuer, &token).await, Err(Reason::Invalid), "{shown}");
    }
    assert!(verdict(&issuer, &good).await.is_ok());
}

#[test]
fn the_vectors_of_the_specifications_are_verified() {
    const JOE: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rsa = json!({"kty": "RSA", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ", "e": "AQAB"});
    let ec = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let k = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    for (set, algorithm, signed, signature) in [
        (
            KeySet::secret(&k, &[Algorithm::Hs256]),
            Algorithm::Hs256,
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}"),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            set(&[rsa]),
            Algorithm::Rs256,
            format!("eyJhbGciOiJSUzI1NiJ9.{JOE}"),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            set(&[ec]),
            Algorithm::Es256,
            format!("eyJhbGciOiJFUzI1NiJ9.{JOE}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            set(&[ed]),
            Algorithm::EdDsa,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ] {
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let verify = |signed: &[u8]| set.verify((algorithm, None), signed, &signature);
        assert_eq!(verify(signed.as_bytes()), Some(true), "{algorithm:?}");
        assert_eq!(verify(&signed.as_bytes()[1..]), Some(false), "{algorithm:?}");
    }
}

#[test]
fn of_a_set_only_keys_are_taken_that_verify_signatures() {
    let [rsa, ec, ed] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].map(|own| KEYS.public(own));
    let small = json!({"kty": "RSA", "e": "AQAB", "n": base64([vec![0x80], vec![1; 127]].concat())});
    let zero = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
    let zero = base64([vec![0], zero].concat());
    for (key, is_taken) in [
        (rsa.clone(), true),
        (ec.clone(), true),
        (ed.clone(), true),
        (with(&rsa, &json!({"n": zero})), true),
        (
            with(&ec, &json!({"use": "sig", "key_ops": ["verify", "sign"], "alg": "ES256", "x5c": ["..."]})),
            true,
        ),
        (with(&ec, &json!({"use": "enc"})), false),
        (with(&ec, &json!({"key_ops": ["deriveKey"]})), false),
        (with(&ec, &json!({"alg": "ES384"})), false),
        (with(&ec, &json!({"alg": "ECDH-ES"})), false),
        (with(&ec, &json!({"crv": "P-384"})), false),
        (with(&ec, &json!({"crv": "secp256k1"})), false),
        (with(&ec, &json!({"x": ec["y"], "y": ec["x"]})), false),
        (with(&ec, &json!({"x": "AAAA"})), false),
        (with(&ec, &json!({"y": "remove"})), false),
        (with(&ec, &json!({"d": base64([1; 32])})), false),
        (with(&ed, &json!({"x": base64([1; 31])})), false),
        (with(&rsa, &json!({"e": "AA"})), false),
        (with(&rsa, &json!({"e": "AQ"})), false),
        (with(&rsa, &json!({"e": "Ag"})), false),
        (with(&rsa, &json!({"n": "****"})), false),
        (small, false),
        (json!({"kty": "oct", "k": base64(SECRET)}), false),
        (json!({"kty": "oct", "k": base64(SECRET), "alg": "HS256"}), false),
        (json!({"kty": 1}), false),
        (json!([]), false),
        (json!(null), false),
    ] {
        let text = json!({"keys": [key]}).to_string();
        assert_eq!(KeySet::parse(text.as_bytes()).is_ok(), is_taken, "{text}");
        // One that is bad is no reason to lose the others.
        let text = json!({"keys": [key, ed]}).to_string();
        assert!(KeySet::parse(text.as_bytes()).is_ok(), "{text}");
    }
    let no_set = "it is not a JWK Set: JSON with a list `keys`";
    for (text, why) in [
        (&b"<html>"[..], no_set),
        (b"[]", no_set),
        (b"{\"keys\": {}}", no_set),
        (b"{\"keys\": []}", "it has no key with which a signature could be verified"),
        (&b" ".repeat(keys::MAX_SET + 1), "it is larger than 1 MiB"),
    ] {
        assert_eq!(KeySet::parse(text).err(), Some(why));
    }
    let many: Vec<_> = std::iter::repeat_n(&ed, 1000).collect();
    assert_eq!(KeySet::parse(json!({ "keys": many }).to_string().as_bytes()).unwrap().len(), 256);
}

#[tokio::test]
async fn a_token_is_remembered_until_it_expires_or_keys_change() {
    let header = json!({"alg": "EdDSA"});
    let old = set(&[KEYS.public(Algorithm::EdDsa)]);
    let issuer = issuer(settings(), old);
    let token = KEYS.token(Algorithm::EdDsa, &header, &claims());
    let first = verdict(&issuer, &token).await.unwrap();
    assert!(Arc::ptr_eq(&first, &verdict(&issuer, &token).await.unwrap()));
    let mark = issuer.source.held().mark;
    assert!(issuer.verdicts.find(token.as_bytes(), mark).is_some());
    assert!(issuer.verdicts.find(token.as_bytes(), mark + 1).is_none());
    // One byte of another.
    let other = KEYS.token(Algorithm::EdDsa, &header, &with(&claims(), &json!({"sub": "u2"})));
    assert_eq!(&*verdict(&issuer, &other).await.unwrap().principal, "u2");
}
