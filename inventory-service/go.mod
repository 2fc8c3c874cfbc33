module github.com/steadfast-shop/steadfast/inventory-service

go 1.26.0

replace github.com/steadfast-shop/steadfast/shared-kit => ../shared-kit

replace github.com/steadfast-shop/steadfast/shared-proto => ../shared-proto
