// The customers, each with the person who sells to him, whom only `sales` knows.
import { serve } from "./application.ts";

const CUSTOMERS = [
  { id: 1, company: "Orchard & Sons", salesId: 2 },
  { id: 2, company: "Harbour Freight", salesId: 1 },
  { id: 3, company: "Kiln Pottery", salesId: 2 },
  { id: 4, company: "Meadow Dairy", salesId: 3 },
];

serve({
  name: "customers",
  port: Number(process.env["PORT"] ?? 4000),
  data: CUSTOMERS,
  page: (sales) =>
    CUSTOMERS.map(({ salesId, ...customer }) => ({
      ...customer,
      soldToBy: sales?.find(({ id }) => id === salesId)?.["name"] ?? null,
    })),
});
