//! Names beside the ends of curves, so that nobody has to look colours up.

use super::svg::{Anchor, Ink, Svg};

/// Between the middles of two names.
pub(super) const GAP: f64 = 15.0;
/// From the end of a curve to its name.
const LEADER: f64 = 28.0;

/// Writes the names of curves to the right of `x`, each with a line from the end of its curve, none above another; `ends` are the curves' numbers,
/// names, and heights at their ends.
pub(super) fn name_ends(svg: &mut Svg, x: f64, (top, bottom): (f64, f64), ends: &[(usize, &str, f64)]) {
    let mut ends = ends.to_vec();
    ends.sort_by(|one, other| one.2.total_cmp(&other.2));
    let wanted: Vec<f64> = ends.iter().map(|(_, _, y)| *y).collect();
    for ((at, name, y), place) in ends.into_iter().zip(spread(&wanted, top, bottom)) {
        svg.line((x, y), (x + LEADER, place), Ink::Curve(at), 1.5);
        svg.text((x + LEADER + 4.0, place), Anchor::Start, name);
    }
}

/// Heights that are near those that are `wanted`, in the same order, and at least [`GAP`] apart; within `top` and `bottom` as long as there is room.
fn spread(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut places = wanted.to_vec();
    let mut above = top - GAP;
    for place in &mut places {
        *place = place.max(above + GAP);
        above = *place;
    }
    let mut below = bottom + GAP;
    for place in places.iter_mut().rev() {
        *place = place.min(below - GAP);
        below = *place;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_move_apart_and_no_further() {
        let cases = [
            (vec![20.0, 100.0], vec![20.0, 100.0]),
            (vec![50.0, 50.0, 51.0], vec![50.0, 65.0, 80.0]),
            (vec![110.0, 118.0, 119.0], vec![90.0, 105.0, 120.0]),
            (vec![0.0, 5.0], vec![10.0, 25.0]),
        ];
        for (wanted, places) in cases {
            assert_eq!(spread(&wanted, 10.0, 120.0), places, "{wanted:?}");
        }
    }
}
