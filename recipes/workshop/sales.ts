// The people who sell, each with the number of his customers, which only `customers` knows.
import { serve } from "./application.ts";

const SALES = [
  { id: 1, name: "Ada" },
  { id: 2, name: "Grace" },
  { id: 3, name: "Edsger" },
];

serve({
  name: "sales",
  port: Number(process.env["PORT"] ?? 3000),
  data: SALES,
  page: (customers) =>
    SALES.map((person) => ({
      ...person,
      customers: customers?.filter(({ salesId }) => salesId === person.id).length ?? null,
    })),
});
