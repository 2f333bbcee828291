//! The table of a resolver.

use super::instance::{create, destroy, health, Instance};
use super::Exported;
use crate::guard::{caught, guard};
use crate::{Error, Outcome, Query, Resolution, Resolver, Upstream};
use plugin_abi::{sized, Kind, ResolverTable, SizeFirst, Status, Text, TextSink, UpstreamSink, Waker};
use std::ffi::c_void;
use std::marker::PhantomData;

/// A type in its role as resolver.
pub struct OfResolver<R>(PhantomData<R>);

impl<R: Resolver> Exported for OfResolver<R> {
    const KIND: Kind = Kind::Resolver;
    const TABLE: *const c_void = (Self::RESOLVER_TABLE as *const ResolverTable).cast();
}

impl<R: Resolver> OfResolver<R> {
    const RESOLVER_TABLE: &'static ResolverTable = &ResolverTable {
        size: ResolverTable::SIZE,
        reserved: 0,
        create: Some(create::<R>),
        destroy: Some(destroy::<R>),
        resolve: Some(resolve::<R>),
        report: if R::HEARS { Some(report::<R>) } else { None },
        health: Some(health::<R>),
    };
}

/// # Safety
/// Called by the host as the contract says for `resolve`.
unsafe extern "C" fn resolve<R: Resolver>(
    instance: *mut c_void,
    host: Text,
    upstreams: *const UpstreamSink,
    waker: Waker,
    error: TextSink,
) -> Status {
    guard(error, || {
        // SAFETY: the host's promise, for all three.
        let (instance, host, mut query) = unsafe {
            let host = host.as_str().map_err(|error| Error::view("host name", error))?;
            (Instance::<R>::of(instance)?, host, Query::read(upstreams, waker)?)
        };
        let answer = caught(|| instance.plugin.resolve(host, &mut query));
        query.settle(matches!(answer, Ok(Resolution::Pending(_))));
        match answer? {
            Resolution::Found if query.has_found() => Ok(Status::OK),
            Resolution::Found => Err(Error::new("the resolver says that it found upstreams but gave none")),
            Resolution::NotFound => Ok(Status::NOT_FOUND),
            Resolution::Pending(_) => Ok(Status::PENDING),
        }
    })
}

/// # Safety
/// Called by the host as the contract says for `report`.
unsafe extern "C" fn report<R: Resolver>(
    instance: *mut c_void,
    host: Text,
    upstream: *const plugin_abi::Upstream,
    outcome: u32,
) {
    // SAFETY: the host's promise.
    let instance = match unsafe { Instance::<R>::of(instance) } {
        Ok(instance) => instance,
        // Nobody is there to be told.
        Err(_) => return,
    };
    let reported = caught(|| {
        // SAFETY: the host's promise, for all three views.
        let (host, upstream, name) = unsafe {
            let upstream = sized::borrow_sized(upstream).map_err(|error| Error::size("upstream", error))?;
            let name = upstream.name.as_str().map_err(|error| Error::view("name of the upstream", error))?;
            (host.as_str().map_err(|error| Error::view("host name", error))?, upstream, name)
        };
        let upstream = Upstream { address: upstream.address, weight: upstream.weight, name };
        instance.plugin.report(host, &upstream, Outcome::from_code(outcome));
        Ok(())
    });
    if let Err(error) = reported {
        instance.log_failure("report", &error);
    }
}
