//! The word that somebody probably meant.

/// The candidate closest to `word`, if one is close enough that offering it helps more than it confuses.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // A hostile word may be a megabyte long; nothing that long is a slip of the finger.
    if word.chars().count() > 64 {
        return None;
    }
    let wanted = simplified(word);
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &simplified(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the choice between dash and underscore are the commonest slips, so they cost nothing.
fn simplified(word: &str) -> String {
    word.to_lowercase().replace(['-', ' '], "_")
}

/// Edits (insert, delete, replace, swap of neighbours) that lead from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let keys = ["san", "subject", "key_type", "validity"];
        assert_eq!(nearest("sann", keys), Some("san"));
        assert_eq!(nearest("keytype", keys), Some("key_type"));
        assert_eq!(nearest("Key-Type", keys), Some("key_type"));
        assert_eq!(nearest("vailidty", keys), Some("validity"));
    }

    #[test]
    fn another_word_finds_nothing() {
        assert_eq!(nearest("colour", ["san", "subject"]), None);
        assert_eq!(nearest("", ["subject"]), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), ["subject"]), None);
    }
}
