//! Every state of the small worlds keeps the promises.

use simulation::{
    exhaustive::{scenarios, with_mistake},
    mistakes::Mistake,
};

#[test]
fn every_state_of_each_scenario_keeps_the_promises() {
    for scenario in scenarios() {
        let name = scenario.name;
        let visited = scenario.visit();
        println!("{name}: {} states", visited.states);
        assert_eq!(visited.failure, None, "{name}");
        assert!(
            visited.states > 50,
            "{name} has {} states only",
            visited.states
        );
    }
}

#[test]
fn search_finds_a_mistake() {
    let scenario = scenarios().remove(0);
    let visited = with_mistake(scenario, Mistake::PublishBeforeCommit).visit();
    assert!(visited.failure.is_some());
}
