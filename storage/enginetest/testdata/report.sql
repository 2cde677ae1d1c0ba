-- What each order was worth: the shop's own table, what its coupons took off, and what its referral earned whom.
SELECT o.id, o.total, r.discount, r.refunded, f.state, f.referrer, w.state
FROM shop_orders o
LEFT JOIN vouch_redemptions r ON r.order_id = o.id
LEFT JOIN vouch_referrals f ON f.order_id = o.id
LEFT JOIN vouch_rewards w ON w.program = f.program AND w.friend = f.friend AND w.side = 'referrer'
ORDER BY o.id
