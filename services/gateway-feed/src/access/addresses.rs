//! The addresses of clients: [`client_address`], and [`Refusals`], which limits the refusals of an address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderValue};
use oasis_service::network;
use tokio::time::Instant;

/// The maximum number of refusals of an address in a minute.
const MOST_REFUSALS: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// The maximum number of addresses that are remembered.
const MOST_ADDRESSES: usize = 100_000;

/// The address of a client that is behind `hops` trusted proxies. Each of these proxies appends the address
/// of its peer to `X-Forwarded-For`, so the address is the `hops`-th from the right. The client itself may
/// have sent the addresses before it. `peer` is the other end of the connection.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, hops: u8) -> IpAddr {
    let Some(skip) = usize::from(hops).checked_sub(1) else { return peer };
    // A client may have sent any bytes, so no list may be left out.
    let lists: Vec<_> = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
    let mut addresses = lists.iter().rev().flat_map(|list| list.rsplit(|byte| *byte == b','));
    let forwarded = addresses.nth(skip).and_then(|text| parse(std::str::from_utf8(text).ok()?.trim()));
    forwarded.unwrap_or(peer).to_canonical()
}

/// Parses an address. Some proxies add the port.
fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().map(|address| address.ip()).ok())
}

/// Counts refused requests without a valid credential, by address. Only this process knows the counts.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Refusals {
    /// Counts a refusal. If the address has been refused too often in this minute, returns how long the
    /// minute still lasts.
    pub(crate) fn count(&self, address: IpAddr) -> Option<Duration> {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if refusals.len() >= MOST_ADDRESSES {
            refusals.retain(|_, (begin, _)| now - *begin < MINUTE);
            if refusals.len() >= MOST_ADDRESSES {
                refusals.clear();
            }
        }
        let (begin, count) = refusals.entry(network(address)).or_insert((now, 0));
        if now - *begin >= MINUTE {
            (*begin, *count) = (now, 0);
        }
        *count += 1;
        (*count > MOST_REFUSALS).then(|| (*begin + MINUTE).saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_counted_from_the_right() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(client_address(peer, &headers, 1), peer, "a proxy without the header");
        headers.append("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 203.0.113.9"));
        headers.append("x-forwarded-for", HeaderValue::from_static("[2001:db8::1]:443"));
        for (hops, expected) in
            [(0, "10.0.0.1"), (1, "2001:db8::1"), (2, "203.0.113.9"), (3, "6.6.6.6"), (4, "10.0.0.1")]
        {
            assert_eq!(client_address(peer, &headers, hops), expected.parse::<IpAddr>().unwrap(), "{hops}");
        }
        headers.append("x-forwarded-for", HeaderValue::from_bytes(b"\xff, 203.0.113.7").unwrap());
        assert_eq!(client_address(peer, &headers, 1), "203.0.113.7".parse::<IpAddr>().unwrap());
        assert_eq!(client_address(peer, &headers, 2), peer, "it is not an address");
        headers.insert("x-forwarded-for", HeaderValue::from_static("unknown"));
        assert_eq!(client_address(peer, &headers, 1), peer);
        headers.insert("x-forwarded-for", HeaderValue::from_static("::ffff:203.0.113.9"));
        assert_eq!(client_address(peer, &headers, 1), "203.0.113.9".parse::<IpAddr>().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_refused_too_often_after_twenty_times_in_a_minute() {
        let refusals = Refusals::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..20 {
            assert_eq!(refusals.count(address("2001:db8::1")), None);
        }
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(refusals.count(address("2001:db8::2")), Some(Duration::from_secs(40)), "the same network");
        assert_eq!(refusals.count(address("2001:db8:0:1::1")), None);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(refusals.count(address("2001:db8::1")), None, "the next minute");
    }
}
