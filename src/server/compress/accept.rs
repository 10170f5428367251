//! `Accept-Encoding`, RFC 9110 section 12.5.3.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use super::{Coding, elements};

/// The encodings in the order of preference where the client has none: what compresses JSON best for the time it
/// takes comes first.
const PREFERRED: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

/// Which encoding an answer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The one that the client likes best of those that are known here. Absent if it likes none, or none better
    /// than a body without one.
    pub(super) coding: Option<Coding>,
    /// Whether the client refuses a body without an encoding.
    pub(super) identity_refused: bool,
}

impl Accepted {
    /// A client that asks for no encoding.
    const NOTHING: Self = Self { coding: None, identity_refused: false };

    /// Whether no body that could be made is one that the client takes. `encodes` is whether encodings are made at all.
    pub(super) fn nothing_of(self, encodes: bool) -> bool {
        self.identity_refused && !(encodes && self.coding.is_some())
    }

    /// What the headers of a request say. What cannot be read in them says nothing.
    pub(super) fn by(headers: &HeaderMap) -> Self {
        if !headers.contains_key(ACCEPT_ENCODING) {
            return Self::NOTHING;
        }
        let mut weights = Weights::default();
        for element in elements(headers, &ACCEPT_ENCODING) {
            weights.add(element);
        }
        let best = PREFERRED.into_iter().rev().max_by_key(|&coding| weights.of(coding));
        let best = best.filter(|&coding| weights.of(coding) > 0);
        // `*` names none: of the encodings that it covers, gzip is what everybody can read.
        let coding = match best {
            Some(best) if weights.named[best as usize].is_none() => {
                let covered = |coding: &Coding| weights.named[*coding as usize].is_none();
                [Coding::Gzip, Coding::Brotli, Coding::Zstd].into_iter().find(covered)
            }
            best => best,
        };
        let identity = weights.identity.or(weights.any);
        let is_worse =
            |coding: &Coding| weights.identity.is_none_or(|identity| identity <= weights.of(*coding));
        Self { coding: coding.filter(is_worse), identity_refused: identity == Some(0) }
    }
}

/// The weights that were given, in thousandths.
#[derive(Default)]
struct Weights {
    named: [Option<u16>; 3],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    /// Notes an element such as `br;q=0.5`; of one that comes twice the last counts.
    fn add(&mut self, element: &str) {
        let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
        let (name, Some(weight)) = (name.trim(), weight(parameters)) else { return };
        match Coding::by_name(name) {
            Some(coding) => self.named[coding as usize] = Some(weight),
            None if name == "*" => self.any = Some(weight),
            None if name.eq_ignore_ascii_case("identity") => self.identity = Some(weight),
            None => {}
        }
    }

    fn of(&self, coding: Coding) -> u16 {
        self.named[coding as usize].or(self.any).unwrap_or(0)
    }
}

/// The weight among parameters, in thousandths: `qvalue` of RFC 9110 section 12.4.2, 1 without one.
fn weight(parameters: &str) -> Option<u16> {
    let mut weight = Some(1000);
    for parameter in parameters.split(';') {
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("q")
        {
            weight = qvalue(value.trim());
        }
    }
    weight
}

fn qvalue(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_best_encoding_by_weight() {
        use Coding::{Brotli, Gzip, Zstd};
        let table: [(&[&str], Option<Coding>, bool); 39] = [
            (&[], None, false),
            (&[""], None, false),
            (&["gzip"], Some(Gzip), false),
            (&["x-gzip"], Some(Gzip), false),
            (&["GZip"], Some(Gzip), false),
            (&["br"], Some(Brotli), false),
            (&["zstd"], Some(Zstd), false),
            // Without weights the order says nothing.
            (&["gzip, deflate, br, zstd"], Some(Zstd), false),
            (&["gzip, deflate, br"], Some(Brotli), false),
            (&["gzip", "zstd"], Some(Zstd), false),
            (&["zstd;q=0.5, br;q=0.8, gzip;q=0.7"], Some(Brotli), false),
            (&["zstd;q=0.999, gzip"], Some(Gzip), false),
            (&["zstd ; Q=0.001 , gzip;q=0"], Some(Zstd), false),
            (&["gzip;q=0"], None, false),
            (&["gzip;q=0.000"], None, false),
            (&["deflate"], None, false),
            (&["identity"], None, false),
            (&["identity, gzip"], Some(Gzip), false),
            (&["identity, gzip;q=0.5"], None, false),
            (&["identity;q=0.5, gzip;q=0.5"], Some(Gzip), false),
            (&["identity;q=0"], None, true),
            (&["identity;q=0, gzip;q=0.1"], Some(Gzip), true),
            (&["identity;q=0, deflate"], None, true),
            (&["identity;q=0, *"], Some(Gzip), true),
            (&["identity;q=0, *;q=0.5, gzip;q=0"], Some(Brotli), true),
            // What is not named is covered by the star.
            (&["*"], Some(Gzip), false),
            (&["gzip;q=0, *"], Some(Brotli), false),
            (&["gzip;q=0.5, *;q=0.1"], Some(Gzip), false),
            (&["gzip;q=0.5, *;q=0.8"], Some(Brotli), false),
            (&["zstd, *;q=0"], Some(Zstd), true),
            (&["*;q=0"], None, true),
            (&["identity;q=0.2, *;q=0"], None, false),
            (&["gzip;q=0, br;q=0, zstd;q=0, *"], None, false),
            (&["gzip;q=0, br;q=0, zstd;q=0, identity;q=0, *"], None, true),
            (&["br;q=1.000"], Some(Brotli), false),
            // What is not valid says nothing.
            (&["br;q=2, gzip;q=0.1"], Some(Gzip), false),
            (&["br;q=0.5555, zstd;q=1.001, gzip;q=-1"], None, false),
            (&["br;q=, gzip;q=x"], None, false),
            (&[",,;;=, gzip ,"], Some(Gzip), false),
        ];
        for (lines, coding, identity_refused) in table {
            let headers = lines.iter().map(|line| (ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap()));
            let found = Accepted::by(&headers.collect());
            assert_eq!(found, Accepted { coding, identity_refused }, "{lines:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_bytes(b"\xff, gzip").unwrap());
        assert_eq!(Accepted::by(&headers).coding, None);
    }
}
