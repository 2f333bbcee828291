//! One connection's work: calls go out together, answers come back.

use crate::call::Call;
use plugin_sdk::Error;
use redis::aio::MultiplexedConnection;
use redis::Pipeline;
use redis_link::Connected;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Calls that are written at once at most. More would make the first wait for the last one's encoding.
const BATCH: usize = 256;

/// Why a connection is no longer served.
pub(crate) enum End {
    /// The host wants no more, and everything is answered.
    Closed,
    /// It is of no use any more, because of this.
    Lost(String),
}

/// Serves calls over the connection until one of both ends. Calls that are open when it is lost are answered so.
///
/// An answer that does not come in time ends the connection: replies come in order, so all later ones wait behind it, and a
/// peer that is gone without a word looks no different.
pub(crate) async fn serve(
    mut connected: Connected,
    calls: &mut UnboundedReceiver<Call>,
    patience: Duration,
) -> End {
    let (mut exchanges, mut batch) = (JoinSet::new(), Vec::new());
    let end = loop {
        tokio::select! {
            biased;
            () = connected.driver.ended() => break End::Lost("Redis closed the connection".to_owned()),
            Some(ended) = exchanges.join_next(), if !exchanges.is_empty() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => break End::Lost(reason),
                Err(panicked) => break End::Lost(panicked.to_string()),
            },
            count = calls.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    break End::Closed;
                }
                let calls = std::mem::take(&mut batch);
                exchanges.spawn(exchange(connected.connection.clone(), calls, patience));
            }
        }
    };
    match end {
        // Each exchange ends within its patience.
        End::Closed => while exchanges.join_next().await.is_some() {},
        End::Lost(_) => exchanges.shutdown().await,
    }
    end
}

/// Sends all calls of a batch and answers them.
///
/// # Errors
/// Why the connection should be given up.
async fn exchange(
    mut connection: MultiplexedConnection,
    batch: Vec<Call>,
    patience: Duration,
) -> Result<(), String> {
    let mut pipeline = Pipeline::with_capacity(batch.len());
    for call in &batch {
        pipeline.add_command(call.command());
    }
    match timeout(patience, connection.send_packed_commands(&pipeline, 0, batch.len())).await {
        Ok(Ok(replies)) if replies.len() == batch.len() => {
            batch.into_iter().zip(replies).for_each(|(call, reply)| call.reply(reply));
            Ok(())
        }
        Ok(Ok(replies)) => Err(format!("Redis gave {} answers to {} commands", replies.len(), batch.len())),
        Ok(Err(error)) => {
            let unavailable = Error::unavailable(format!("the connection to Redis was lost: {error}"));
            batch.into_iter().for_each(|call| call.fail(&unavailable));
            Err(error.to_string())
        }
        Err(_) => {
            let reason = format!("Redis did not answer within {patience:?}");
            let timed_out = Error::timed_out(&*reason);
            batch.into_iter().for_each(|call| call.fail(&timed_out));
            Err(reason)
        }
    }
}
