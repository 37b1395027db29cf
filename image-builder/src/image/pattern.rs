//! Patterns of paths: `*` stands for a piece of a name, `**` for any names one below the other.

/// Whether a pattern names a path; both without a leading slash.
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    names(&pattern, &path)
}

fn names(pattern: &[&str], path: &[&str]) -> bool {
    match pattern {
        [] => path.is_empty(),
        // At least one name: the folder itself stays.
        ["**", rest @ ..] => (1..=path.len()).any(|skip| names(rest, &path[skip..])),
        [first, rest @ ..] => match path {
            [name, below @ ..] => name_matches(first, name) && names(rest, below),
            [] => false,
        },
    }
}

/// Whether a pattern without slashes names a name.
pub fn name_matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| name_matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_pieces_and_for_folders() {
        for (pattern, path, is_named) in [
            ("boot/**", "boot", false),
            ("boot/**", "boot/a", true),
            ("boot/**", "boot/a/b", true),
            ("etc/cron.*/**", "etc/cron.daily/x", true),
            ("etc/cron.*/**", "etc/crontab", false),
            ("usr/share/doc/*/copyright", "usr/share/doc/bash/copyright", true),
            ("usr/share/doc/*/copyright", "usr/share/doc/a/b/copyright", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
        ] {
            assert_eq!(matches(pattern, path), is_named, "{pattern} {path}");
        }
    }
}
