//! Docker's rules for `user[:group]`, from the text of the container's `passwd` and `group`; pure.
//! passwd(5), group(5).

use crate::error::{StepError, StepErrorKind};

const STEP: &str = "user";

/// Highest id that may be given by number; what is above would wrap or be refused by the kernel.
const ID_MAX: u32 = i32::MAX as u32;

/// Most supplementary groups that are taken from the files: the kernel's limit; setgroups(2).
const GROUPS_MAX: usize = 65_536;

/// Who the program runs as, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Supplementary groups; `gid` is among them.
    pub(super) groups: Vec<u32>,
    /// Home directory, where `passwd` names one.
    pub(super) home: Option<String>,
}

/// A usable line of `passwd`.
#[derive(Debug)]
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// A usable line of `group`.
#[derive(Debug)]
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Resolves `user[:group]` and the additional groups. An empty user is the one with id 0.
pub(super) fn resolve(
    wanted: &str,
    additional: &[String],
    passwd: &str,
    group: &str,
) -> Result<Identity, StepError> {
    let (user, primary) = wanted.split_once(':').unwrap_or((wanted, ""));
    let number = if user.is_empty() { Some(0) } else { id(user)? };
    let account = accounts(passwd).find(|account| match number {
        Some(number) => account.uid == number,
        None => account.name == user,
    });
    let uid = account.as_ref().map(|account| account.uid).or(number).ok_or_else(|| {
        unknown(format!("unable to find user {user}: no matching entries in passwd file"))
    })?;
    let mut gid = account.as_ref().map_or(0, |account| account.gid);
    let mut groups = Vec::new();
    if primary.is_empty() {
        let name = account.as_ref().map_or("", |account| account.name);
        groups.extend(groups_of(group, name).take(GROUPS_MAX));
    } else {
        gid = group_id(primary, group)?.ok_or_else(|| no_group("unable", primary))?;
    }
    for name in additional {
        let found = group_id(name, group)?;
        groups.push(found.ok_or_else(|| no_group("Unable", name))?);
    }
    groups.insert(0, gid);
    let home = account.map(|account| account.home.to_owned()).filter(|home| !home.is_empty());
    Ok(Identity { uid, gid, groups: without_repeats(groups), home })
}

/// The home directory of a user id.
pub(super) fn home_of(uid: u32, passwd: &str) -> Option<String> {
    accounts(passwd)
        .find(|account| account.uid == uid)
        .map(|account| account.home.to_owned())
        .filter(|home| !home.is_empty())
}

/// An id given in digits; `None` if the text is a name. Numbers out of range are refused, whatever
/// their length.
fn id(text: &str) -> Result<Option<u32>, StepError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(number) if number <= ID_MAX && digits.len() == text.len() => Ok(Some(number)),
        _ => Err(unknown(format!("uids and gids must be in range 0-{ID_MAX}"))),
    }
}

fn group_id(wanted: &str, group: &str) -> Result<Option<u32>, StepError> {
    let number = id(wanted)?;
    Ok(number.or_else(|| groups(group).find(|group| group.name == wanted).map(|group| group.gid)))
}

/// Docker begins the sentence in capitals for an additional group, and in small letters for the user's own.
fn no_group(unable: &str, wanted: &str) -> StepError {
    unknown(format!("{unable} to find group {wanted}: no matching entries in group file"))
}

/// Ids of the groups that name this member.
fn groups_of<'a>(group: &'a str, member: &'a str) -> impl Iterator<Item = u32> {
    groups(group)
        .filter(move |group| {
            !member.is_empty() && group.members.split(',').any(|name| name.trim() == member)
        })
        .map(|group| group.gid)
}

fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or_default();
        Some(Account { name, uid, gid, home })
    })
}

fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(Group { name, gid, members: fields.next().unwrap_or_default() })
    })
}

fn without_repeats(mut groups: Vec<u32>) -> Vec<u32> {
    let first = groups[0];
    groups.sort_unstable();
    groups.dedup();
    groups.retain(|group| *group != first);
    groups.insert(0, first);
    groups
}

fn unknown(why: String) -> StepError {
    StepError::refused(STEP, why, StepErrorKind::BadUser)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        # comment\n\
        bad:x:nan:1::/:\n\
        www:x:33:33:www:/var/www:/bin/false\n\
        1000:x:5:5::/five:\n\
        alice:x:1000:1000::/home/alice:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,alice\nwww:x:33:\naudio:x:29:alice, root\n\
        nogroup:x:65534:\n";

    fn ids(wanted: &str, additional: &[&str]) -> Result<(u32, u32, Vec<u32>), StepErrorKind> {
        let additional: Vec<String> = additional.iter().map(ToString::to_string).collect();
        resolve(wanted, &additional, PASSWD, GROUP)
            .map(|found| (found.uid, found.gid, found.groups))
            .map_err(|error| error.kind)
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(ids("", &[]), Ok((0, 0, vec![0, 10, 29])));
        assert_eq!(ids("alice", &[]), Ok((1000, 1000, vec![1000, 10, 29])));
        assert_eq!(ids("1000", &[]), Ok((1000, 1000, vec![1000, 10, 29])));
        assert_eq!(ids("alice:www", &[]), Ok((1000, 33, vec![33])));
        assert_eq!(ids("www:77", &[]), Ok((33, 77, vec![77])));
        assert_eq!(ids("4242", &[]), Ok((4242, 0, vec![0])));
        assert_eq!(ids(":www", &[]), Ok((0, 33, vec![33])));
        assert_eq!(ids("www", &["audio", "4"]), Ok((33, 33, vec![33, 4, 29])));
    }

    #[test]
    fn unknown_or_out_of_range() {
        for wanted in ["nobody", "www:nope", "-1", "2147483648", "4294967296", "0:4294967295"] {
            assert_eq!(ids(wanted, &[]), Err(StepErrorKind::BadUser), "{wanted}");
        }
        assert_eq!(ids("", &["nope"]), Err(StepErrorKind::BadUser));
        // Longer than any integer: still a number, never a name and never wrapped to 0.
        assert!(ids("18446744073709551616", &[]).is_err());
        assert!(ids("+0", &[]).is_err());
    }

    #[test]
    fn homes() {
        assert_eq!(home_of(33, PASSWD).as_deref(), Some("/var/www"));
        assert_eq!(home_of(77, PASSWD), None);
        assert_eq!(
            resolve("alice", &[], PASSWD, GROUP).unwrap().home.as_deref(),
            Some("/home/alice")
        );
    }

    #[test]
    fn empty_files() {
        assert_eq!(resolve("", &[], "", "").unwrap().groups, [0]);
        assert_eq!(resolve("5:6", &[], "", "").unwrap().gid, 6);
    }
}
