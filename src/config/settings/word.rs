//! Words that are nearly right.

use crate::config::problem::{Flaw, quote};

/// The flaw of a word that is none of those that are known.
pub(crate) fn wrong_word(word: &str, known: &[&str]) -> Flaw {
    let hint = match nearest(word, known) {
        Some(near) => format!("Did you mean `{near}`? The words are: {}.", listed(known)),
        None => format!("Write one of: {}.", listed(known)),
    };
    Flaw::new(format!("{} is not a word that is known here.", quote(word)), hint)
}

/// Keys or words in a sentence.
pub(crate) fn listed(words: &[&str]) -> String {
    words.join(", ")
}

/// The known word that is most like an unknown one, when one is like it.
pub(crate) fn nearest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let folded = |word: &str| word.to_ascii_lowercase().replace(['_', '-'], "");
    let word: Vec<char> = folded(word).chars().take(64).collect();
    let allowed = (word.len() / 3).max(1);
    known
        .iter()
        .map(|known| (distance(&word, &folded(known).chars().collect::<Vec<_>>()), *known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (i, 0) => i,
                (0, j) => j,
                (i, j) => {
                    let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    if swapped { best.min(rows[i - 2][j - 2] + 1) } else { best }
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_found_when_it_is_near() {
        const KNOWN: [&str; 5] = ["timeout", "connect_timeout", "targets", "uri", "headers"];
        for (word, expected) in [
            ("timeuot", Some("timeout")),
            ("timeouts", Some("timeout")),
            ("Time-Out", Some("timeout")),
            ("connectTimeout", Some("connect_timeout")),
            ("target", Some("targets")),
            ("url", Some("uri")),
            ("header", Some("headers")),
            ("policies", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &KNOWN), expected, "{word}");
        }
        assert_eq!(nearest(&"timeout".repeat(100_000), &KNOWN), None);
    }
}
