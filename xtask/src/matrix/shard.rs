//! A part of the hosts, so that several machines can share a run.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};

use crate::lab::{Host, Nginx};

/// Which part of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1 to `count`.
    number: usize,
    count: usize,
}

impl Shard {
    /// All parts of so many.
    pub(super) fn all(count: usize) -> impl Iterator<Item = Shard> {
        (1..=count).map(move |number| Shard { number, count })
    }

    /// What falls to this part, in the order given. Hosts and nginxes are dealt one by one, architecture after architecture, so that every
    /// part has as many emulated ones as the others; who gets which depends on nothing else.
    ///
    /// # Errors
    /// There are fewer than there are parts, so that this one is empty.
    pub(super) fn take<'a>(
        self,
        hosts: Vec<&'a Host>,
        nginxes: Vec<&'a Nginx>,
    ) -> Result<(Vec<&'a Host>, Vec<&'a Nginx>)> {
        let arches = hosts.iter().map(|host| host.arch).chain(nginxes.iter().map(|nginx| nginx.arch));
        let mine = self.of(&arches.collect::<Vec<_>>());
        if mine.is_empty() {
            let all = hosts.len() + nginxes.len();
            bail!("--shard {self} is empty; there are {all} hosts to share out");
        }
        let first_nginx = hosts.len();
        let kept = |at: usize| mine.contains(&at);
        Ok((
            hosts.into_iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, host)| host).collect(),
            nginxes
                .into_iter()
                .enumerate()
                .filter(|(at, _)| kept(first_nginx + at))
                .map(|(_, nginx)| nginx)
                .collect(),
        ))
    }

    /// Indices of what falls to this part, of things with these keys.
    fn of<K: Ord>(self, keys: &[K]) -> Vec<usize> {
        let mut dealt: Vec<usize> = (0..keys.len()).collect();
        dealt.sort_by_key(|&at| &keys[at]);
        dealt.into_iter().skip(self.number - 1).step_by(self.count).collect()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/').and_then(|(number, count)| {
            Some(Shard { number: number.parse().ok()?, count: count.parse().ok()? })
        });
        parts
            .filter(|shard| (1..=shard.count).contains(&shard.number))
            .ok_or_else(|| "a part is I/N, with I from 1 to N, as 2/3".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Lab;

    fn names(shard: Shard, lab: &Lab) -> Vec<&str> {
        let (hosts, nginxes) = shard.take(lab.hosts.iter().collect(), lab.nginxes.iter().collect()).unwrap();
        let hosts = hosts.into_iter().map(|host| host.name.as_str());
        hosts.chain(nginxes.into_iter().map(|nginx| nginx.name.as_str())).collect()
    }

    #[test]
    fn parts_together_are_everything_once_and_each_has_its_share_of_what_is_emulated() {
        let lab = Lab::read(&crate::paths::repository().unwrap()).unwrap();
        for count in [1, 2, 3, 5, 16] {
            let mut all = Vec::new();
            for shard in Shard::all(count) {
                let mine = names(shard, &lab);
                let emulated = mine.iter().filter(|name| name.contains("aarch64")).count();
                assert!(emulated.abs_diff(8 / count) <= 1, "{shard}: {mine:?}");
                all.extend(mine);
            }
            all.sort_unstable();
            let mut wanted = names("1/1".parse().unwrap(), &lab);
            wanted.sort_unstable();
            assert_eq!(all, wanted);
        }
    }

    #[test]
    fn a_part_without_hosts_is_refused() {
        let lab = Lab::read(&crate::paths::repository().unwrap()).unwrap();
        let shard = Shard { number: 17, count: 17 };
        let error = shard.take(lab.hosts.iter().collect(), lab.nginxes.iter().collect()).unwrap_err();
        assert_eq!(error.to_string(), "--shard 17/17 is empty; there are 16 hosts to share out");
    }

    #[test]
    fn parts_are_counted_from_one() {
        assert_eq!("2/3".parse(), Ok(Shard { number: 2, count: 3 }));
        for wrong in ["0/3", "4/3", "1/0", "1", "a/b", "-1/3", "1/3/5", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
