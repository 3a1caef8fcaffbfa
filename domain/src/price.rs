//! Prices of tokens: a shipped table, and what the configuration says in its place.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cost::{MicroUsd, Usage};

/// What a million tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Input that is neither read from nor written to a cache.
    pub input: MicroUsd,
    /// Output, reasoning included.
    pub output: MicroUsd,
    /// Input read from a cache.
    pub cache_read: MicroUsd,
    /// Input written to a cache.
    pub cache_write: MicroUsd,
}

impl Price {
    /// What this much costs. Rounded up, so that nothing that was used is free; saturates.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> MicroUsd {
        let parts = [
            (usage.input, self.input),
            (usage.output, self.output),
            (usage.cache_read, self.cache_read),
            (usage.cache_write, self.cache_write),
        ];
        let sum = parts.into_iter().fold(0_u128, |sum, (tokens, price)| {
            sum.saturating_add(u128::from(tokens) * u128::from(price.0))
        });
        MicroUsd(u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

/// Prices by model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceTable {
    /// Keys are a model's id, or the beginning of one with a `*` behind it.
    prices: BTreeMap<String, Price>,
}

/// A row of the table's file: US dollars for a million tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write: f64,
}

impl PriceTable {
    /// The table that comes with the program.
    #[must_use]
    pub fn shipped() -> Self {
        Self::parse(include_str!("../prices.toml")).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let rows: BTreeMap<String, Row> = toml::from_str(text).ok()?;
        let prices = rows
            .into_iter()
            .map(|(model, row)| {
                let price = Price {
                    input: MicroUsd::from_dollars(row.input)?,
                    output: MicroUsd::from_dollars(row.output)?,
                    cache_read: MicroUsd::from_dollars(row.cache_read)?,
                    cache_write: MicroUsd::from_dollars(row.cache_write)?,
                };
                Some((model, price))
            })
            .collect::<Option<_>>()?;
        Some(Self { prices })
    }

    /// The table with these prices added, or put in the place of its own.
    #[must_use]
    pub fn with(mut self, overrides: BTreeMap<String, Price>) -> Self {
        self.prices.extend(overrides);
        self
    }

    /// The price of a model: that of its exact id, else that of the longest beginning of it that
    /// stands with a `*` in the table. A model without a price costs an unknown amount, not nothing.
    #[must_use]
    pub fn find(&self, model: &str) -> Option<Price> {
        let families = || {
            self.prices.iter().filter_map(|(key, price)| {
                let family = key.strip_suffix('*')?;
                model.starts_with(family).then_some((family.len(), *price))
            })
        };
        self.prices.get(model).copied().or_else(|| {
            families()
                .max_by_key(|(length, _)| *length)
                .map(|(_, price)| price)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(micro: u64) -> Price {
        Price {
            input: MicroUsd(micro),
            output: MicroUsd(micro),
            cache_read: MicroUsd(micro),
            cache_write: MicroUsd(micro),
        }
    }

    #[test]
    fn the_shipped_table_is_whole() {
        let table = PriceTable::shipped();
        assert!(table.prices.len() > 10);
        for (model, price) in &table.prices {
            assert!(price.input > MicroUsd(0), "{model}");
            assert!(price.output > price.input, "{model}");
            assert!(price.cache_read <= price.input, "{model}");
            assert!(price.cache_write >= price.input, "{model}");
        }
    }

    #[test]
    fn an_exact_id_wins_then_the_longest_beginning() {
        let table = PriceTable::default().with(BTreeMap::from([
            ("m-*".to_owned(), price(1)),
            ("m-4-*".to_owned(), price(2)),
            ("m-4-mini".to_owned(), price(3)),
        ]));
        assert_eq!(table.find("m-4-mini"), Some(price(3)));
        assert_eq!(table.find("m-4-mini-2026"), Some(price(2)));
        assert_eq!(table.find("m-5"), Some(price(1)));
        assert_eq!(table.find("n"), None);
        assert_eq!(table.find(""), None);
        let table = table.with(BTreeMap::from([("m-*".to_owned(), price(9))]));
        assert_eq!(table.find("m-5"), Some(price(9)));
    }

    #[test]
    fn a_dated_id_costs_what_its_family_does_and_a_sibling_does_not() {
        let table = PriceTable::shipped();
        let input = |model: &str| table.find(model).map(|price| price.input.0);
        assert_eq!(input("claude-sonnet-4-5-20250929"), Some(3_000_000));
        assert_eq!(input("claude-opus-4-20250514"), Some(15_000_000));
        assert_eq!(input("claude-opus-4-8"), Some(5_000_000));
        assert_eq!(input("claude-opus-5"), Some(5_000_000));
        assert_eq!(input("claude-opus-5-5[1m]"), Some(4_000_000));
        assert_eq!(input("gpt-5.4-2026-03-05"), Some(2_500_000));
        assert_eq!(input("gpt-5.4-mini"), Some(750_000));
        assert_eq!(input("gpt-6.1-sol"), Some(2_000_000));
        assert_eq!(input("gemini-2.5-pro"), Some(1_250_000));
        assert_eq!(input("gemini-3.1-pro-preview-customtools"), Some(2_000_000));
        // an unknown sibling may cost anything
        for unknown in [
            "gpt-5.4-ultra",
            "gpt-7",
            "claude-sonnet-9",
            "gemini-2.5-flash-image",
            "mock",
        ] {
            assert_eq!(input(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn cost_is_rounded_up_and_saturates() {
        let usage = |input| Usage {
            input,
            ..Usage::default()
        };
        assert_eq!(
            price(3_000_000).cost(&usage(1_000_000)),
            MicroUsd(3_000_000)
        );
        assert_eq!(price(3_000_000).cost(&usage(0)), MicroUsd(0));
        assert_eq!(price(1).cost(&usage(1)), MicroUsd(1));
        let all = Usage {
            input: u64::MAX,
            output: u64::MAX,
            cache_read: u64::MAX,
            cache_write: u64::MAX,
        };
        assert_eq!(price(u64::MAX).cost(&all), MicroUsd(u64::MAX));
    }

    #[test]
    fn caches_are_priced_apart() {
        let price = Price {
            input: MicroUsd(3_000_000),
            output: MicroUsd(15_000_000),
            cache_read: MicroUsd(300_000),
            cache_write: MicroUsd(3_750_000),
        };
        let usage = Usage {
            input: 1_000,
            output: 200,
            cache_read: 50_000,
            cache_write: 4_000,
        };
        assert_eq!(
            price.cost(&usage),
            MicroUsd(3_000 + 3_000 + 15_000 + 15_000)
        );
    }
}
