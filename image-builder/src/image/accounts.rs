//! Accounts: what the packages' `sysusers.d` asks for, as `passwd`, `group` and `shadow`. Nobody has a password.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::tree::{Node, Tree};

/// The first number that is given where none is asked for; others go downwards (`systemd`'s own rule).
const LAST_FREE: u32 = 899;
const NO_LOGIN: &str = "/usr/sbin/nologin";

#[derive(Debug, Clone)]
struct User {
    number: u32,
    group: u32,
    words: String,
    home: String,
    shell: String,
}

/// The accounts of a tree.
#[derive(Debug, Default)]
pub struct Accounts {
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, u32>,
    members: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug)]
struct Line {
    kind: String,
    name: String,
    id: String,
    words: String,
    home: String,
    shell: String,
}

/// Splits at white space, quotes respected.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let (mut quoted, mut is_any) = (false, false);
    for letter in line.chars() {
        match letter {
            '"' => (quoted, is_any) = (!quoted, true),
            letter if letter.is_whitespace() && !quoted => {
                if is_any {
                    fields.push(std::mem::take(&mut field));
                }
                is_any = false;
            }
            letter => {
                field.push(letter);
                is_any = true;
            }
        }
    }
    if is_any {
        fields.push(field);
    }
    fields
}

fn lines(tree: &Tree) -> Vec<Line> {
    let mut files: Vec<_> = tree.files_in("usr/lib/sysusers.d", ".conf").collect();
    files.sort();
    let mut lines = Vec::new();
    for (_, bytes) in files {
        for line in String::from_utf8_lossy(bytes).lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut fields = fields(line).into_iter();
            let mut next = || fields.next().filter(|field| field != "-").unwrap_or_default();
            lines.push(Line {
                kind: next().trim_end_matches('!').to_owned(),
                name: next(),
                id: next(),
                words: next(),
                home: next(),
                shell: next(),
            });
        }
    }
    lines
}

impl Accounts {
    /// What the tree's files ask for. Of two lines about one name the first counts; files go by their names.
    pub fn of(tree: &Tree) -> Self {
        let mut accounts = Self::default();
        let lines = lines(tree);
        // Numbers that are asked for first, so that no free choice takes one.
        for wants_number in [true, false] {
            for line in &lines {
                let (user, group) = line.id.split_once(':').unwrap_or((&line.id, &line.id));
                if user.parse::<u32>().is_ok() == wants_number {
                    accounts.add(line, user.parse().ok(), group);
                }
            }
        }
        for line in lines.iter().filter(|line| line.kind == "m") {
            accounts
                .members
                .entry(line.id.clone())
                .or_default()
                .insert(line.name.clone());
        }
        accounts
    }

    fn add(&mut self, line: &Line, number: Option<u32>, group: &str) {
        match line.kind.as_str() {
            "g" if !self.groups.contains_key(&line.name) => {
                let number = number.unwrap_or_else(|| self.free());
                self.groups.insert(line.name.clone(), number);
            }
            "u" if !self.users.contains_key(&line.name) => {
                let own = self.groups.get(&line.name).copied();
                let number = number.or(own).unwrap_or_else(|| self.free());
                let named = self.groups.get(group).copied().or_else(|| group.parse().ok());
                let group = match named {
                    Some(group) => group,
                    None => *self.groups.entry(line.name.clone()).or_insert(number),
                };
                if !self.groups.values().any(|known| *known == group) {
                    self.groups.insert(line.name.clone(), group);
                }
                let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
                self.users.insert(
                    line.name.clone(),
                    User {
                        number,
                        group,
                        words: line.words.clone(),
                        home: or(&line.home, "/"),
                        shell: or(&line.shell, NO_LOGIN),
                    },
                );
            }
            _ => {}
        }
    }

    fn free(&self) -> u32 {
        let is_taken = |number: &u32| {
            self.groups.values().any(|group| group == number)
                || self.users.values().any(|user| user.number == *number)
        };
        (1..=LAST_FREE)
            .rev()
            .find(|number| !is_taken(number))
            .unwrap_or(LAST_FREE)
    }

    /// Whether there is such a user.
    pub fn has_user(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }

    /// Whether there is such a group.
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// Writes the files.
    pub fn write(&self, tree: &mut Tree) {
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_by_key(|(_, user)| user.number);
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(name, number)| (**number, name.as_str()));
        let (mut passwd, mut shadow, mut group) = (String::new(), String::new(), String::new());
        for (name, user) in users {
            passwd += &format!(
                "{name}:x:{}:{}:{}:{}:{}\n",
                user.number, user.group, user.words, user.home, user.shell
            );
            // An asterisk: no password fits.
            shadow += &format!("{name}:*:20000:0:99999:7:::\n");
        }
        for (name, number) in groups {
            let members: Vec<&str> = self
                .members
                .get(name)
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            group += &format!("{name}:x:{number}:{}\n", members.join(","));
        }
        tree.put("etc/passwd", Node::file(passwd.into_bytes(), 0o644));
        tree.put("etc/shadow", Node::file(shadow.into_bytes(), 0o600));
        tree.put("etc/group", Node::file(group.into_bytes(), 0o644));
    }
}
