//! Chains of `let`, which edition 2021 does not have.

use crate::harness::{Returns, Trace, positions};

positions! {
    direct if_chain(t) {
        let _m = t.made("local", 1);
        if let Some(n) = t.made("first", 1).some().await
            && t.op("a", true).await
            && let Some(m) = t.made("second", 2).some().await
        {
            Ok(t.op("b", n + m).await)
        } else {
            Ok(0)
        }
    }
    direct if_chain_otherwise(t) {
        if let Some(n) = t.made("first", 1).some().await
            && let None = t.made("second", 2).some().await
        {
            Ok(*n)
        } else {
            Ok(t.op("otherwise", 3).await)
        }
    }
    direct while_chain(t) {
        let mut left = 2;
        while let Some(n) = t.op("a", Some(1)).await
            && t.op("b", left).await > 0
        {
            left -= n;
        }
        Ok(left + t.op("c", 1).await)
    }
}
