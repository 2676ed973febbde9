//! Resolves rules against the header of an input, and checks that each of them can be carried out.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::core::model::Mode;
use crate::core::text::visible;

use super::by_name::{self, Column, reserved};
use super::cells::{Defaults, Header};
use super::close::closest;
use super::error::MappingError;
use super::field::FieldReader;
use super::path::Path;
use super::reading::{IdReader, RowFilter, TagReader};
use super::rules::{Rules, Unmapped};
use super::{Mapping, Route, must_find};

impl Mapping {
    /// Creates a mapping by `rules` for an input with these columns (`None`: JSONL, where each row has its own keys).
    ///
    /// # Errors
    /// Like [`Mapping::new`]; also if a rule names a missing column, if a field would get two values, or if no rule names a
    /// column and the rules refuse such columns.
    pub fn by(rules: &Rules, header: Option<&[Arc<str>]>, mode: Mode) -> Result<Self, MappingError> {
        let header = Header::new(header);
        let match_fields = match_fields(rules)?;
        let mut fields = Vec::with_capacity(rules.fields.len());
        let mut filling = BTreeSet::new();
        for rule in &rules.fields {
            let filled = FieldReader::new(rule, &header, &match_fields)?;
            if !filling.insert(filled.name().to_owned()) {
                return Err(MappingError::FieldTwice { field: filled.name().to_owned(), line: rule.line });
            }
            fields.push(filled);
        }
        let id = rules.id.as_ref().map(|rule| IdReader::id(rule, &header)).transpose()?;
        let tags = rules.tags.iter().map(|rule| TagReader::new(rule, &header)).collect::<Result<Vec<_>, _>>()?;
        let take = rules.take.iter().map(|rule| RowFilter::new(rule, &header)).collect::<Result<Vec<_>, _>>()?;

        let named: Vec<Path> =
            fields.iter().flat_map(FieldReader::paths).chain(id.iter().map(IdReader::path)).cloned().collect();
        let named: Vec<Path> = named.into_iter().chain(tags.iter().filter_map(TagReader::path).cloned()).collect();
        let mut mapping = Self {
            columns: Vec::new(),
            names_count: false,
            read: Vec::new(),
            channel: None,
            unmapped: rules.unmapped,
            defaults: Defaults { nulls: rules.nulls.clone(), country: rules.country },
            addresses: Self::addresses(&match_fields, &fields),
            match_fields,
            mode,
            named,
            id,
            fields,
            tags,
            take,
        };
        mapping.resolve_columns(rules, &header, &filling)?;
        Ok(mapping)
    }

    // Resolves the columns that no rule names, and checks the match fields.
    fn resolve_columns(
        &mut self,
        rules: &Rules,
        header: &Header,
        names: &BTreeSet<String>,
    ) -> Result<(), MappingError> {
        let is_named = |column: &str| self.named.iter().any(|path| path.goes_by(column));
        let is_deciding = |column: &str| self.take.iter().any(|taken| taken.path().goes_by(column));
        let loose = |column: &&String| !is_named(column) && !by_name::is_ignored(column);
        if self.unmapped == Unmapped::Refuse {
            let columns: Vec<String> =
                header.columns().filter(loose).filter(|column| !is_deciding(column)).cloned().collect();
            if !columns.is_empty() {
                return Err(MappingError::Unmapped { columns });
            }
        }
        let column = |name: &String| {
            let is_sent = self.unmapped == Unmapped::Send && loose(&name);
            if is_sent { Column::of(name, &self.match_fields) } else { Column::Ignored }
        };
        let columns: Vec<Column> = header.columns().map(column).collect();
        for (name, column) in header.columns().zip(&columns) {
            if matches!(column, Column::Match(_) | Column::Field(_)) && names.contains(name) {
                let line = rules
                    .fields
                    .iter()
                    .find(|rule| visible(rule.name.trim()).trim() == *name)
                    .and_then(|rule| rule.line);
                return Err(MappingError::Doubled { field: name.clone(), line });
            }
        }
        for (place, field) in self.match_fields.iter().enumerate() {
            let by_its_name = match (header.is_known(), self.unmapped) {
                (true, _) => columns.contains(&Column::Match(place)),
                (false, Unmapped::Send) => true,
                (false, Unmapped::Ignore | Unmapped::Refuse) => false,
            };
            if !by_its_name && !names.contains(field) {
                return Err(self.no_source(field, header, names));
            }
        }
        let has_id = self.id.is_some() || columns.contains(&Column::Id) || !header.is_known();
        if must_find(self.mode) && self.match_fields.is_empty() && !has_id {
            return Err(MappingError::NoMatch { columns: header.names() });
        }
        self.names_count = columns.iter().any(|column| *column != Column::Ignored);
        let is_read = |(name, column): (&String, &Column)| {
            let is_read = *column != Column::Ignored || is_named(name);
            is_read.then(|| name.clone())
        };
        self.read = header.columns().zip(&columns).map(is_read).collect();
        self.columns = columns;
        Ok(())
    }

    fn no_source(&self, field: &str, header: &Header, names: &BTreeSet<String>) -> MappingError {
        let field = field.to_owned();
        let fields = names.iter().cloned().collect();
        if self.unmapped == Unmapped::Send {
            let known = header.columns().chain(names).map(String::as_str);
            let close = closest(&field, known).map(str::to_owned);
            MappingError::NoColumn { close, fields, columns: header.names(), field }
        } else {
            let close = closest(&field, names.iter().map(String::as_str)).map(str::to_owned);
            MappingError::NoField { close, fields, field }
        }
    }

    /// Makes `column` name the channel of each row. It is no field then.
    ///
    /// # Errors
    /// If the input has no such column, or it is a match field.
    pub fn routed_by(mut self, header: Option<&[Arc<str>]>, column: &str) -> Result<Self, MappingError> {
        let header = Header::new(header);
        let column = visible(column.trim()).trim().to_owned();
        if self.match_fields.contains(&column) {
            return Err(MappingError::ChannelMatches(column));
        }
        let place = header.columns().position(|name| *name == column);
        if header.is_known() && place.is_none() {
            let close = closest(&column, header.columns().map(String::as_str)).map(str::to_owned);
            return Err(MappingError::NoChannelColumn { close, columns: header.names(), column });
        }
        if let Some(ignored) = place.and_then(|at| self.columns.get_mut(at)) {
            *ignored = Column::Ignored;
        }
        self.channel = Some(Route { column, place });
        Ok(self)
    }
}

fn match_fields(rules: &Rules) -> Result<Vec<String>, MappingError> {
    let mut fields: Vec<String> = Vec::with_capacity(rules.matches.len());
    for field in &rules.matches {
        let field = visible(field).into_owned();
        let has_rule = rules.fields.iter().any(|rule| visible(rule.name.trim()).trim() == field);
        if field.trim().is_empty() || (reserved(&field).is_some() && !has_rule) {
            return Err(MappingError::Reserved(field));
        }
        if fields.contains(&field) {
            return Err(MappingError::Repeated(field));
        }
        fields.push(field);
    }
    Ok(fields)
}
