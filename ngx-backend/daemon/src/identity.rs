//! The user and group that the daemon runs as.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::process::{Gid, Uid, geteuid, getgid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

/// Who the daemon is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// User and its own group.
    user: Option<(u32, u32)>,
    group: Option<u32>,
}

impl Identity {
    /// Finds names in the machine's lists (passwd(5), group(5)).
    ///
    /// # Errors
    /// If there is no such user or group.
    pub(crate) fn read(user: Option<&str>, group: Option<&str>) -> anyhow::Result<Self> {
        let user = match user {
            None => None,
            Some(name) => Some(
                find_user(&list("/etc/passwd")?, name)
                    .with_context(|| format!("there is no user `{name}` in /etc/passwd (--user)"))?,
            ),
        };
        let group = match group {
            None => None,
            Some(name) => Some(
                find_group(&list("/etc/group")?, name)
                    .with_context(|| format!("there is no group `{name}` in /etc/group (--group)"))?,
            ),
        };
        Ok(Self { user, group })
    }

    /// The group that may read.
    pub(crate) fn group(&self) -> Option<u32> {
        self.group
    }

    /// Makes a folder and those above it that are not there: all of this user, and for the group to enter.
    ///
    /// # Errors
    /// What mkdir(2), chown(2) or chmod(2) answered.
    pub(crate) fn make_folder(&self, path: &Path) -> anyhow::Result<()> {
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .collect();
        missing.into_iter().rev().try_for_each(|folder| {
            self.make_one(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
        })
    }

    fn make_one(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)?;
        // Only root may give a folder away; what others make is theirs.
        let owner = if geteuid().is_root() { self.user.map(|(uid, _)| uid) } else { None };
        chown(path, owner, self.group.or(self.user.map(|(_, gid)| gid)))?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o750))
    }

    /// Becomes that user for good. Called while the process has one thread: on Linux credentials belong to threads, and new ones get
    /// those of their maker (nptl(7)).
    ///
    /// # Errors
    /// If the process may not, or still could go back.
    pub(crate) fn assume(&self) -> anyhow::Result<()> {
        let Some((uid, gid)) = self.user else {
            if geteuid().is_root() {
                tracing::warn!("runs as root; --user gives up what it does not need");
            }
            return Ok(());
        };
        if geteuid().as_raw() == uid && !geteuid().is_root() {
            return Ok(());
        }
        let (user, own) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let change = || -> rustix::io::Result<()> {
            // Files can be given to a group by its members only.
            set_thread_groups(&self.group.map(Gid::from_raw).into_iter().chain([own]).collect::<Vec<_>>())?;
            set_thread_gid(own)?;
            set_thread_uid(user)
        };
        change().map_err(io::Error::from).context("cannot become the user of --user; only root can")?;
        if uid != 0 && (set_thread_uid(Uid::ROOT).is_ok() || geteuid() != user || getgid() != own) {
            bail!("the system did not drop root's privileges");
        }
        tracing::info!(uid, gid, group = self.group, "dropped privileges");
        Ok(())
    }
}

fn list(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// A number is a user without a name, too; its group has the same one then.
fn find_user(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let number = name.parse::<u32>().ok();
    let found = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        (fields[0] == name || number == Some(uid)).then_some((uid, gid))
    });
    found.or(number.map(|number| (number, number)))
}

fn find_group(group: &str, name: &str) -> Option<u32> {
    let found = group.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    found.or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:34:www-data:/var/www:/bin/false\n";
        for (name, expected) in [
            ("root", Some((0, 0))),
            ("www-data", Some((33, 34))),
            ("33", Some((33, 34))),
            ("65534", Some((65_534, 65_534))),
            ("nobody", None),
            ("", None),
        ] {
            assert_eq!(find_user(passwd, name), expected, "{name}");
        }
        let group = "root:x:0:\nwww-data:x:34:alice\n";
        for (name, expected) in [("www-data", Some(34)), ("35", Some(35)), ("alice", None)] {
            assert_eq!(find_group(group, name), expected, "{name}");
        }
    }
}
