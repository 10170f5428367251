//! Which part needs which: none may need itself in a circle, and none that is required one that may be missing.

use super::part::Part;
use crate::compose::plan;
use crate::config::problem::{Problem, Problems, quote};

pub(super) fn check(parts: &[Part<'_>], planned: &[plan::Part], problems: &mut Problems) {
    let needs: Vec<_> = planned.iter().map(plan::Part::needs).collect();
    for (own, needs) in needs.iter().enumerate() {
        let missing = needs.iter().find(|need| planned[**need].is_optional);
        if let Some(&need) = missing.filter(|_| !planned[own].is_optional) {
            let (own, need) = (&parts[own], &parts[need]);
            let text = format!(
                "The part {} is required, but it needs {}, which is optional.",
                quote(own.name),
                quote(need.name)
            );
            let problem =
                Problem::error(text).at(own.name.place).related(need.settings.optional.place, "here");
            problems.push(problem.hint("Make both optional, or both required."));
        }
    }
    if let Some(circle) = circle(&needs) {
        let names: Vec<_> =
            circle.iter().chain(circle.first()).map(|part| quote(parts[*part].name)).collect();
        let text = format!("These parts need one another in a circle: {}.", names.join(" needs "));
        let first = circle.first().map(|part| &parts[*part]);
        let mut problem = Problem::error(text).at(first.and_then(|part| part.name.place));
        for part in circle.iter().skip(1) {
            problem = problem.related(parts[*part].name.place, "and this one");
        }
        problems.push(problem.hint("Let one of them take what it needs from the request."));
    }
}

/// The parts of a circle in their order, if there is one.
fn circle(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    // Whoever needs only parts that are no part of a circle is none either.
    let mut is_free = vec![false; needs.len()];
    while let Some(part) =
        (0..needs.len()).find(|part| !is_free[*part] && needs[*part].iter().all(|need| is_free[*need]))
    {
        is_free[part] = true;
    }
    let mut path = vec![is_free.iter().position(|is_free| !is_free)?];
    loop {
        let last = *path.last()?;
        // Each that is left needs another that is left.
        let next = *needs[last].iter().find(|need| !is_free[**need])?;
        if let Some(start) = path.iter().position(|part| *part == next) {
            return Some(path.split_off(start));
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::circle;

    #[test]
    fn circles_are_found_and_nothing_else() {
        for (needs, expected) in [
            (&[&[][..], &[0], &[0, 1]][..], None),
            (&[&[1], &[0]], Some(&[0, 1][..])),
            (&[&[], &[0, 3], &[1], &[2], &[1]], Some(&[1, 3, 2])),
            (&[&[1], &[2], &[1]], Some(&[1, 2])),
        ] {
            let needs: Vec<_> = needs.iter().map(|needs: &&[usize]| needs.to_vec()).collect();
            assert_eq!(circle(&needs).as_deref(), expected);
        }
    }
}
