//! The members of one rollout: the pods that carry the same value of a label as this node's own pod, such as
//! `pod-template-hash`, for applications whose versions must not meet.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label>
//!
//! The value is read from the answer itself, from the pod that is named like this node, of several the one of the best
//! standing: an address may be that of a pod that still terminates, too. As long as there is none, nobody is known to be of
//! its rollout.

use crate::config::Rollout;
use crate::names::entry::Entry;
use crate::objects::candidate::Standing;

/// What the answer says of the rollout of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Own {
    Of(String),
    /// Its pod has no such label.
    Unlabelled,
    /// Its pod is not in the answer.
    Missing,
}

impl Rollout {
    pub(crate) fn own<'e>(&self, entries: impl Iterator<Item = &'e Entry>) -> Own {
        let named_so = entries.filter_map(|entry| Some((self.standing_as_own(entry)?, entry)));
        match named_so.min_by_key(|(standing, _)| *standing) {
            Some((_, own)) => own.rollout.clone().map_or(Own::Unlabelled, Own::Of),
            None => Own::Missing,
        }
    }

    /// Whether an object is of the same rollout.
    pub(crate) fn is_member(&self, own: &Own, entry: &Entry) -> bool {
        match own {
            Own::Of(value) => entry.rollout.as_ref() == Some(value),
            // It sees itself, and so does not leave.
            Own::Unlabelled => self.is_own(entry),
            Own::Missing => false,
        }
    }

    /// Whether an object is named like this node.
    pub(crate) fn is_own(&self, entry: &Entry) -> bool {
        self.standing_as_own(entry).is_some()
    }

    /// The standing of the pod, if it is.
    fn standing_as_own(&self, entry: &Entry) -> Option<Standing> {
        let own = entry.named.iter().filter(|named| named.name == self.node);
        own.map(|named| named.standing).min()
    }

    /// What to say where it cannot be known who is of the same rollout.
    pub(crate) fn warning(&self, own: &Own) -> Option<String> {
        let Self { label, node } = self;
        match own {
            Own::Of(_) => None,
            Own::Unlabelled => Some(format!(
                "kubernetes_rollout_label: the pod of this node has no label {label:?}, so that nobody is of its rollout \
                 and it connects to nobody. Deployments set \"pod-template-hash\", StatefulSets and DaemonSets \
                 \"controller-revision-hash\""
            )),
            Own::Missing => Some(format!(
                "kubernetes_rollout_label: no pod in the answer is named {node}, as this node is, so that its rollout is \
                 unknown and it connects to nobody. If that lasts, compare RELEASE_NODE with mode, \
                 kubernetes_node_basename and kubernetes_selector"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::entry::Named;

    fn entry(name: &str, rollout: Option<&str>) -> Entry {
        standing(Standing::Ready, name, rollout)
    }

    fn standing(standing: Standing, name: &str, rollout: Option<&str>) -> Entry {
        Entry {
            named: vec![Named {
                name: name.to_owned(),
                standing,
            }],
            rollout: rollout.map(str::to_owned),
            ..Entry::default()
        }
    }

    /// The names that count for `app@1`, and whether something is said.
    fn members(entries: &[Entry]) -> (Vec<&str>, bool) {
        let rollout = Rollout {
            label: "hash".to_owned(),
            node: "app@1".to_owned(),
        };
        let own = rollout.own(entries.iter());
        let members = entries.iter().filter(|entry| rollout.is_member(&own, entry));
        (
            members.map(|entry| entry.named[0].name.as_str()).collect(),
            rollout.warning(&own).is_some(),
        )
    }

    #[test]
    fn those_with_the_same_value_count() {
        let entries = [
            entry("app@1", Some("a")),
            entry("app@2", Some("b")),
            entry("app@3", Some("a")),
            entry("app@4", None),
        ];
        assert_eq!(members(&entries), (vec!["app@1", "app@3"], false));
    }

    /// A pod that terminates may have the address of its successor still.
    #[test]
    fn of_several_pods_with_this_nodes_name_the_best_standing_decides_in_any_order() {
        use Standing::{Draining, NotReady, Ready};
        for (better, worse) in [(Ready, Draining), (Ready, NotReady), (NotReady, Draining)] {
            let new = standing(better, "app@1", Some("new"));
            let old = standing(worse, "app@1", Some("old"));
            let others = [entry("app@2", Some("new")), entry("app@3", Some("old"))];
            for own in [[new.clone(), old.clone()], [old, new]] {
                let entries = [&own[..], &others[..]].concat();
                assert_eq!(
                    members(&entries),
                    (vec!["app@1", "app@2"], false),
                    "{better:?} {worse:?}"
                );
            }
        }
    }

    #[test]
    fn without_its_own_pod_nobody_counts_and_that_is_said() {
        assert_eq!(
            members(&[entry("app@2", Some("a")), entry("app@3", None)]),
            (vec![], true)
        );
        assert_eq!(members(&[]), (vec![], true));
    }

    #[test]
    fn without_the_label_only_this_node_counts_and_that_is_said() {
        assert_eq!(
            members(&[entry("app@1", None), entry("app@2", None)]),
            (vec!["app@1"], true)
        );
    }
}
