use serde_json::{Value, json};

use super::{Svix, contract};

/// Five endpoints, by their ids in ascending order, and the path of their list.
async fn five(svix: &Svix) -> (String, Vec<String>) {
    let path = svix.endpoints().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let made = svix.post(&path, json!({"url": "https://a.example/"})).await.expect(201);
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    (path, ids)
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn endpoints_are_listed_newest_first() {
    contract(async |svix| {
        let (path, made) = five(svix).await;
        let ascending = svix.get(&format!("{path}?order=ascending")).await.expect(200);
        assert_eq!(ids(&ascending), made);
        let mut newest_first = made;
        newest_first.reverse();
        assert_eq!(ids(&svix.get(&path).await.expect(200)), newest_first);
    })
    .await;
}

#[tokio::test]
async fn applications_are_listed_oldest_first() {
    contract(async |svix| {
        svix.app().await;
        let page = svix.get("/app/?limit=250").await.expect(200);
        let all = ids(&page);
        assert!(all.is_sorted(), "{all:?}");
    })
    .await;
}

#[tokio::test]
async fn the_iterator_leads_through_every_page_until_done() {
    contract(async |svix| {
        let (path, made) = five(svix).await;
        for order in ["ascending", "descending"] {
            let mut all: Vec<Value> = svix.all(&format!("{path}?limit=2&order={order}")).await;
            if order == "descending" {
                all.reverse();
            }
            let seen: Vec<&str> = all.iter().map(|it| it["id"].as_str().unwrap()).collect();
            assert_eq!(seen, made);
        }
    })
    .await;
}

#[tokio::test]
async fn the_iterator_of_the_last_page_is_not_null() {
    contract(async |svix| {
        let (path, made) = five(svix).await;
        let page = svix.get(&format!("{path}?order=ascending")).await.expect(200);
        assert_eq!(page["done"], true);
        assert_eq!(page["iterator"], json!(made[4]));
        assert_eq!(page["prevIterator"], json!(format!("-{}", made[0])));
    })
    .await;
}

#[tokio::test]
async fn a_page_that_is_exactly_full_is_done() {
    contract(async |svix| {
        let (path, _) = five(svix).await;
        assert_eq!(svix.get(&format!("{path}?limit=5")).await.expect(200)["done"], true);
        assert_eq!(svix.get(&format!("{path}?limit=4")).await.expect(200)["done"], false);
    })
    .await;
}

#[tokio::test]
async fn an_empty_list_is_done_and_has_no_iterators() {
    contract(async |svix| {
        let page = svix.get(&svix.endpoints().await).await.expect(200);
        assert_eq!(page, json!({"data": [], "iterator": null, "done": true}));
    })
    .await;
}

#[tokio::test]
async fn the_previous_iterator_leads_back() {
    contract(async |svix| {
        let (path, made) = five(svix).await;
        let ask =
            async |query: &str| svix.get(&format!("{path}?limit=2&order=ascending{query}")).await.expect(200);
        let second = ask(&format!("&iterator={}", made[1])).await;
        assert_eq!(ids(&second), made[2..4]);
        let back = ask(&format!("&iterator={}", second["prevIterator"].as_str().unwrap())).await;
        assert_eq!(ids(&back), made[..2]);
        assert_eq!(back["done"], true);
    })
    .await;
}

#[tokio::test]
async fn a_page_has_at_most_250() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        svix.get(&format!("{path}?limit=250")).await.expect(200);
        svix.get(&format!("{path}?limit=251")).await.expect_invalid("query.limit.limit");
    })
    .await;
}

#[tokio::test]
async fn an_iterator_of_another_kind_is_refused() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        svix.get(&format!("{path}?iterator=app_x")).await.expect_invalid("query.iterator.__all__");
    })
    .await;
}
